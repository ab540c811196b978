// A marker in a file of its own: the id of a store, where the store is and where the home remembers it.

import { EngineError } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import { decodeMarker, encodeMarker, markerBytes, markerVersion } from './record.ts'

/** undefined when there is no such file. Throws `STORE_CORRUPT` with `ifDamaged` as what to do, `VERSION_UNSUPPORTED`, FilesError. */
export function readMarkerFile(files: Files, path: string, ifDamaged: string): Uint8Array | undefined {
  if (files.lstat(path) === undefined) return undefined
  const file = files.open(path, 'read')
  try {
    const bytes = new Uint8Array(markerBytes)
    const marker = decodeMarker(bytes.subarray(0, file.read(bytes, 0)))
    if (marker === undefined) {
      throw new EngineError('STORE_CORRUPT', `opening the block store: its marker ${path} is damaged; ${ifDamaged}`)
    }
    if (marker.version !== markerVersion) {
      throw new EngineError(
        'VERSION_UNSUPPORTED',
        `opening the block store: ${path} has format ${marker.version}, this program knows ${markerVersion}; use a newer Holdfast`,
      )
    }
    return marker.storeId
  } finally {
    file.close()
  }
}

/** Whole or not at all; durable when it resolves. Throws FilesError. */
export async function writeMarkerFile(files: Files, directory: string, name: string, storeId: Uint8Array): Promise<void> {
  const temporary = `${directory}/${name}.new`
  if (files.lstat(temporary) !== undefined) files.unlink(temporary)
  const file = files.open(temporary, 'create')
  try {
    file.write(encodeMarker({ version: markerVersion, storeId }), 0)
    await file.datasync()
  } finally {
    file.close()
  }
  files.rename(temporary, `${directory}/${name}`)
  await files.syncDirectory(directory)
}

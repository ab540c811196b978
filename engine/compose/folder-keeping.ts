// What cannot be had again when the index is lost, kept beside it: a file a folder with its keys, place, members and their addresses. A
// folder that has a file here and no row in the index is opened again, under a new author; the rest of its rows come from disk and members.

import { fromHex, toHex, fromUtf8, utf8 } from '../base/bytes.ts'
import { messageOf } from '../base/errors.ts'
import type { Files } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderRecord, HostedRecord, MemberRecord } from '../model/folder.ts'
import { folderIdText, parseFolderId, parsePeerId, type PeerId } from '../model/ids.ts'

const schema = 1
const suffix = '.json'
const directoryMode = 0o700
const fileBytesMax = 64 * 1024 * 1024

export interface KeptFolder {
  readonly folder: Omit<FolderRecord, 'row' | 'isPaused' | 'incarnation'> | Omit<HostedRecord, 'row' | 'isPaused' | 'incarnation'>
  readonly isPaused: boolean
  /** Signed entries of the admin log, encoded. */
  readonly log: readonly Uint8Array[]
  readonly peers: readonly { readonly peer: PeerId; readonly addresses: readonly string[] }[]
}

export interface KeepingParts {
  readonly world: { readonly files: Files; readonly log: Log }
  readonly index: Index
  /** Of the files; made when it is missing. */
  readonly directory: string
}

export class FolderKeeping {
  readonly #parts: KeepingParts
  /** By folder id: what the file holds. */
  readonly #written = new Map<string, string>()
  #saving: Promise<void> = Promise.resolve()

  constructor(parts: KeepingParts) {
    this.#parts = parts
  }

  /** Every folder that has a sound file; one that cannot be read is told to the log and left as it is. */
  load(): readonly KeptFolder[] {
    const { directory, world } = this.#parts
    const { files, log } = world
    if (files.lstat(directory) === undefined) files.makeDirectory(directory, directoryMode)
    return files.readDirectory(directory).flatMap(({ name }): KeptFolder[] => {
      if (!name.endsWith(suffix)) return []
      try {
        const text = readText(files, `${directory}/${name}`)
        const kept = parseKept(text)
        if (kept === undefined) log.warn('a kept folder cannot be understood', { file: name })
        else this.#written.set(folderIdText(kept.folder.id), text)
        return kept === undefined ? [] : [kept]
      } catch (error) {
        log.warn('a kept folder cannot be read', { file: name, error: messageOf(error) })
        return []
      }
    })
  }

  /** Resolves when the file says what the index does. Never throws: the index has it all. */
  async save(record: FolderRecord | HostedRecord, peers: readonly PeerId[]): Promise<void> {
    const id = folderIdText(record.id)
    const text = this.#textOf(record, peers)
    if (this.#written.get(id) === text) return
    this.#written.set(id, text)
    this.#saving = this.#saving.then(() => this.#write(id, text))
    await this.#saving
  }

  /** Before the folder's rows go: a file without rows would bring it back. Throws FilesError. */
  async forget(record: MemberRecord): Promise<void> {
    const { directory, world } = this.#parts
    const { files } = world
    const path = `${directory}/${folderIdText(record.id)}${suffix}`
    await this.#saving
    this.#written.delete(folderIdText(record.id))
    if (files.lstat(path) === undefined) return
    files.unlink(path)
    await files.syncDirectory(directory)
  }

  async #write(id: string, text: string): Promise<void> {
    const { directory, world } = this.#parts
    const { files, log } = world
    const temporary = `${directory}/${id}.new`
    try {
      if (files.lstat(temporary) !== undefined) files.unlink(temporary)
      const file = files.open(temporary, 'create') // mode 0600
      try {
        file.write(utf8(text), 0)
        await file.datasync()
      } finally {
        file.close()
      }
      files.rename(temporary, `${directory}/${id}${suffix}`)
      await files.syncDirectory(directory)
    } catch (error) {
      this.#written.delete(id) // tried again with the next change, and at the next start
      log.warn('could not keep a folder beside the index', { error: messageOf(error) })
    }
  }

  #textOf(record: FolderRecord | HostedRecord, peers: readonly PeerId[]): string {
    const { index } = this.#parts
    return `${JSON.stringify({
      schema,
      id: toHex(record.id),
      name: record.name,
      isPaused: record.isPaused,
      createdMs: record.createdMs,
      targetCopies: record.targetCopies,
      ...('path' in record ? treeFields(record) : { keep: record.keep, accessSecret: toHex(record.accessSecret) }),
      log: index.folders.log(record.row).map(toHex),
      peers: peers.map((peer) => ({ peer, addresses: index.peers.get(peer)?.addresses ?? [] })),
    })}\n`
  }
}

function readText(files: Files, path: string): string {
  const file = files.open(path, 'read')
  try {
    const { sizeBytes } = file.stat()
    if (sizeBytes > fileBytesMax) return ''
    const bytes = new Uint8Array(sizeBytes)
    return fromUtf8(bytes.subarray(0, file.read(bytes, 0))) ?? ''
  } finally {
    file.close()
  }
}

/** undefined when it is not what `save` writes. */
export function parseKept(text: string): KeptFolder | undefined {
  const value = recordOf(parseJson(text))
  const id = parseFolderId(hexOf(value['id']) ?? new Uint8Array(0))
  const { name, createdMs, targetCopies } = value
  const own = parseTree(value) ?? parseHosted(value)
  const log = arrayOf(value['log']).map(hexOf)
  const peers = arrayOf(value['peers']).flatMap((item) => {
    const known = recordOf(item)
    const peer = parsePeerId(typeof known['peer'] === 'string' ? known['peer'] : '')
    const addresses = arrayOf(known['addresses']).filter((address) => typeof address === 'string')
    return peer === undefined ? [] : [{ peer, addresses }]
  })
  if (value['schema'] !== schema || id === undefined || own === undefined || typeof name !== 'string') return undefined
  if (typeof createdMs !== 'number' || typeof targetCopies !== 'number' || log.length === 0) return undefined
  const entries = log.filter((entry) => entry !== undefined)
  if (entries.length !== log.length) return undefined
  const folder = { id, name, createdMs, targetCopies, ...own }
  return { folder, isPaused: value['isPaused'] === true, log: entries, peers }
}

function treeFields({ path, secrets, keep }: FolderRecord): object {
  return {
    path,
    ...(keep === undefined ? {} : { files: keep }),
    accessSecret: toHex(secrets.accessSecret),
    folderSecret: toHex(secrets.folderSecret),
    epochs: secrets.epochs.map(({ epoch, secret }) => ({ epoch, secret: toHex(secret) })),
  }
}

type Fields = Readonly<Record<string, unknown>>

function parseTree(value: Fields): Pick<FolderRecord, 'path' | 'secrets' | 'keep'> | undefined {
  const [accessSecret, folderSecret] = [hexOf(value['accessSecret']), hexOf(value['folderSecret'])]
  const { path } = value
  const epochs = arrayOf(value['epochs']).flatMap((item) => {
    const { epoch, secret } = recordOf(item)
    const bytes = hexOf(secret)
    return typeof epoch === 'number' && bytes !== undefined ? [{ epoch, secret: bytes }] : []
  })
  if (accessSecret === undefined || folderSecret === undefined || typeof path !== 'string' || epochs.length === 0) return undefined
  return { path, secrets: { accessSecret, folderSecret, epochs }, ...parseKeep(value['files']) }
}

/** Nothing where all is kept, and where it cannot be understood: whoever has too much has lost nothing. */
function parseKeep(value: unknown): Pick<FolderRecord, 'keep'> {
  const { kind, patterns } = recordOf(value)
  const texts = arrayOf(patterns).filter((pattern) => typeof pattern === 'string')
  return kind === 'selected' || kind === 'none' ? { keep: { kind, patterns: texts } } : {}
}

function parseHosted(value: Fields): Pick<HostedRecord, 'keep' | 'accessSecret'> | undefined {
  const accessSecret = hexOf(value['accessSecret'])
  const { keep } = value
  return accessSecret === undefined || (keep !== 'all' && keep !== 'share') ? undefined : { keep, accessSecret }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // said by the caller, with the file
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function hexOf(value: unknown): Uint8Array | undefined {
  return typeof value === 'string' ? fromHex(value) : undefined
}

// A file of no use that is given up when its disk is full, so that what frees room, or what must go on, finds some.

import type { Random } from './clock.ts'
import { FilesError, type Files } from './files.ts'

export interface ReserveParts {
  readonly files: Files
  readonly random: Random
  /** Its directory is there. */
  readonly path: string
  /** 0 for none. */
  readonly sizeBytes: number
}

export class Reserve {
  readonly #parts: ReserveParts
  #isHeld = false

  constructor(parts: ReserveParts) {
    this.#parts = parts
  }

  get isHeld(): boolean {
    return this.#isHeld
  }

  get heldBytes(): number {
    return this.#isHeld ? this.#parts.sizeBytes : 0
  }

  /** Makes the file unless it is whole. Throws FilesError and leaves nothing behind then. */
  async hold(): Promise<void> {
    if (this.#isHeld) return
    const { files, random, path, sizeBytes } = this.#parts
    const size = files.lstat(path)?.sizeBytes
    if (size !== sizeBytes || size === 0) {
      if (size !== undefined) files.unlink(path)
      // Random, since a file system that compresses would give zeros no room.
      if (sizeBytes > 0) await this.#write(random.bytes(sizeBytes))
    }
    this.#isHeld = true
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const { files, path } = this.#parts
    try {
      const file = files.open(path, 'create')
      try {
        file.write(bytes, 0)
        await file.datasync()
      } finally {
        file.close()
      }
    } catch (error) {
      this.#unlink()
      throw error
    }
  }

  /** Gives the space back to the file system, also that of an earlier process; false when there was none. */
  release(): boolean {
    this.#isHeld = false
    return this.#parts.sizeBytes > 0 && this.#unlink()
  }

  #unlink(): boolean {
    try {
      this.#parts.files.unlink(this.#parts.path)
      return true
    } catch (error) {
      if (!(error instanceof FilesError)) throw error // a reserve that cannot be freed is only not freed
      return false
    }
  }
}

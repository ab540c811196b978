// The bytes of one simulated file, twice: as the processes see them, and as the device has them. What was written since the
// last datasync is in between, and a power loss decides about each such write: kept, lost, or torn at sectors.

import type { SeededRandom } from '../support/seeded-random.ts'

const sectorBytes = 512

type Pending =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

/** Bytes that grow: room is at least doubled, unused room is always zero. */
class Extent {
  #room = new Uint8Array(0)
  #sizeBytes = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  view(): Uint8Array {
    return this.#room.subarray(0, this.#sizeBytes)
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.#room.length) {
      const room = new Uint8Array(Math.max(sizeBytes, 2 * this.#room.length))
      room.set(this.view())
      this.#room = room
    } else if (sizeBytes < this.#sizeBytes) {
      this.#room.fill(0, sizeBytes, this.#sizeBytes)
    }
    this.#sizeBytes = sizeBytes
  }

  write(source: Uint8Array, offset: number): void {
    if (offset + source.length > this.#sizeBytes) this.resize(offset + source.length)
    this.#room.set(source, offset)
  }
}

export class FileData implements Disposable {
  #current = new Extent()
  #durable = new Extent()
  #pending: Pending[] = []
  /** How many changes have left `#pending`, so that a mark stays good while flushes overlap. */
  #settled = 0

  get sizeBytes(): number {
    return this.#current.sizeBytes
  }

  /** What processes see now; valid until the next change. */
  view(): Uint8Array {
    return this.#current.view()
  }

  write(source: Uint8Array, offset: number): void {
    const bytes = source.slice()
    this.#current.write(bytes, offset)
    this.#pending.push({ kind: 'write', offset, bytes })
  }

  truncate(sizeBytes: number): void {
    this.#current.resize(sizeBytes)
    this.#pending.push({ kind: 'truncate', sizeBytes })
  }

  /** Lets go of all bytes. */
  [Symbol.dispose](): void {
    this.#current = new Extent()
    this.#durable = new Extent()
    this.#pending = []
  }

  /** One byte goes bad, for processes and on the device. */
  rot(offset: number): void {
    this.commit()
    for (const extent of [this.#current, this.#durable]) {
      const byte = extent.view()[offset]
      if (byte !== undefined) extent.write(Uint8Array.of(byte ^ 0x10), offset)
    }
    this.#settled++ // other content, another mark
  }

  /** A mark of what has been written so far: what a datasync that starts now will cover. Equal marks, equal content. */
  mark(): number {
    return this.#settled + this.#pending.length
  }

  /** Makes everything up to a mark durable. */
  commit(mark: number = this.mark()): void {
    const count = Math.max(0, mark - this.#settled)
    for (const change of this.#pending.splice(0, count)) apply(change, this.#durable)
    this.#settled += count
  }

  /**
   * A flush that failed: as on Linux, the kernel then takes the pages for clean, so that no later flush ever writes them,
   * while processes go on seeing them until the power goes.
   */
  loseFlush(): void {
    this.#settled += this.#pending.length
    this.#pending = []
  }

  /** The power goes: afterwards processes see what the device happens to have. */
  crash(random: SeededRandom): void {
    for (const change of this.#pending) {
      const fate = random.pickWeighted({ kept: 2, lost: 3, torn: 2 })
      if (fate === 'kept') apply(change, this.#durable)
      else if (change.kind === 'write' && fate === 'torn') applyTorn(change.offset, change.bytes, this.#durable, random)
      // The size may be on the device without the bytes: a hole of zeros.
      else if (change.kind === 'write' && random.chance(0.5))
        this.#durable.resize(Math.max(this.#durable.sizeBytes, change.offset + change.bytes.length))
    }
    this.#settled += this.#pending.length + 1 // one more, so that a mark from before never stands for other content
    this.#pending = []
    this.#current = new Extent()
    this.#current.write(this.#durable.view(), 0)
  }
}

function apply(change: Pending, extent: Extent): void {
  if (change.kind === 'truncate') extent.resize(change.sizeBytes)
  else extent.write(change.bytes, change.offset)
}

/** Each sector that the write touches is there or not, on its own. */
function applyTorn(offset: number, bytes: Uint8Array, extent: Extent, random: SeededRandom): void {
  const end = offset + bytes.length
  for (let at = offset; at < end;) {
    const next = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes)
    if (random.chance(0.5)) extent.write(bytes.subarray(at - offset, next - offset), at)
    at = next
  }
}

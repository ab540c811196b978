// Frames on a byte stream: an unsigned LEB128 length of at most four bytes, then that many bytes (docs/wire-format.md).
// Pure: no network here. The reader takes bytes in whatever pieces they come and is asked for one frame at a time.

import { EngineError } from '../base/errors.ts'

/** Four bytes of seven bits: no frame may ever be longer, whatever a protocol says. */
export const frameBytesLimit: number = 2 ** 28 - 1

const headerBytesMax = 4

/** Frames up to this size are copied out, so that a small one kept for long does not keep the whole packet it came in. */
const copiedFrameBytesMax = 4 * 1024

/** What a frame's buffer starts with: a peer has to send bytes, not only announce them, to make this side allocate more. */
const firstAllocationBytes = 256 * 1024

/** What a piece costs beside its bytes, roughly: pieces of one byte must not be free. */
const pieceOverheadBytes = 64

/** Where a frame's length ends and how long it is; undefined while bytes are missing. */
interface FrameHeader {
  readonly headerBytes: number
  readonly frameBytes: number
}

/** The length prefix of a frame. `frameBytes` is at most `frameBytesLimit`. */
export function encodeFrameHeader(frameBytes: number): Uint8Array<ArrayBuffer> {
  const header: number[] = []
  let rest = frameBytes
  while (rest >= 0x80) {
    header.push((rest & 0x7f) | 0x80)
    rest >>>= 7
  }
  header.push(rest)
  return Uint8Array.from(header)
}

/** Takes frames apart from a stream of bytes, without reading further ahead than it is asked to. */
export class FrameReader {
  #frameBytesMax: number
  #pieces: Uint8Array[] = []
  #firstPiece = 0
  /** Consumed bytes of the first piece. */
  #offset = 0
  #queuedBytes = 0
  /** The frame being put together from several pieces. */
  #frame: { buffer: Uint8Array<ArrayBuffer>; filledBytes: number; readonly frameBytes: number } | undefined

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax
  }

  /** Of frames whose length has not been read yet. */
  limitFrames(bytesMax: number): void {
    this.#frameBytesMax = bytesMax
  }

  /** Bytes held and not handed out yet, with the cost of holding them in pieces. */
  get heldBytes(): number {
    return this.#queuedBytes + (this.#pieces.length - this.#firstPiece) * pieceOverheadBytes + (this.#frame?.filledBytes ?? 0)
  }

  /** Whether a frame, or a part of one, is still here. */
  get isEmpty(): boolean {
    return this.#queuedBytes === 0 && this.#frame === undefined
  }

  /** Takes over `piece`: it must not change afterwards. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#pieces.push(piece)
    this.#queuedBytes += piece.length
  }

  /**
   * The next whole frame, undefined while bytes are missing. Throws `FRAME_TOO_LARGE` for a length over the limit and
   * `PEER_MISBEHAVED` for a length in more bytes than it needs; then the stream cannot be read any further.
   */
  next(): Uint8Array | undefined {
    if (this.#frame === undefined) {
      const header = this.#peekHeader()
      if (header === undefined) return undefined
      this.#skip(header.headerBytes)
      const whole = this.#takeWhole(header.frameBytes)
      if (whole !== undefined) return whole
      const buffer = new Uint8Array(Math.min(header.frameBytes, firstAllocationBytes))
      this.#frame = { buffer, filledBytes: 0, frameBytes: header.frameBytes }
    }
    return this.#fillFrame()
  }

  #peekHeader(): FrameHeader | undefined {
    let frameBytes = 0
    let at = this.#offset
    let pieceAt = this.#firstPiece
    for (let count = 1; count <= headerBytesMax; count++) {
      let piece = this.#pieces[pieceAt]
      if (piece !== undefined && at === piece.length) {
        piece = this.#pieces[++pieceAt]
        at = 0
      }
      const byte = piece?.[at++]
      if (byte === undefined) return undefined
      frameBytes += (byte & 0x7f) << (7 * (count - 1))
      if (byte < 0x80) {
        if (byte === 0 && count > 1) throw new EngineError('PEER_MISBEHAVED', 'the peer sent a frame length in more bytes than it needs')
        this.#checkLength(frameBytes)
        return { headerBytes: count, frameBytes }
      }
    }
    throw new EngineError(
      'FRAME_TOO_LARGE',
      `the peer announced a frame of ${frameBytesLimit + 1} bytes or more; at most ${this.#frameBytesMax} are allowed`,
    )
  }

  #checkLength(frameBytes: number): void {
    if (frameBytes <= this.#frameBytesMax) return
    throw new EngineError(
      'FRAME_TOO_LARGE',
      `the peer announced a frame of ${frameBytes} bytes; at most ${this.#frameBytesMax} are allowed`,
    )
  }

  /** The frame without copying when it lies in one piece. */
  #takeWhole(frameBytes: number): Uint8Array | undefined {
    if (frameBytes === 0) return new Uint8Array(0)
    const piece = this.#pieces[this.#firstPiece]
    if (piece === undefined || piece.length - this.#offset < frameBytes) return undefined
    // Always a plain Uint8Array: what comes from the network may be a Buffer, whose slice() is a view.
    const view = new Uint8Array(piece.buffer, piece.byteOffset + this.#offset, frameBytes)
    this.#skip(frameBytes)
    return frameBytes <= copiedFrameBytesMax ? view.slice() : view
  }

  #fillFrame(): Uint8Array | undefined {
    const frame = this.#frame
    if (frame === undefined) return undefined
    while (frame.filledBytes < frame.frameBytes) {
      const piece = this.#pieces[this.#firstPiece]
      if (piece === undefined) return undefined
      if (frame.filledBytes === frame.buffer.length) {
        const larger = new Uint8Array(Math.min(frame.frameBytes, frame.buffer.length * 4))
        larger.set(frame.buffer)
        frame.buffer = larger
      }
      const taken = Math.min(piece.length - this.#offset, frame.buffer.length - frame.filledBytes)
      frame.buffer.set(piece.subarray(this.#offset, this.#offset + taken), frame.filledBytes)
      frame.filledBytes += taken
      this.#skip(taken)
    }
    this.#frame = undefined
    return frame.buffer
  }

  #skip(bytes: number): void {
    this.#queuedBytes -= bytes
    this.#offset += bytes
    for (;;) {
      const piece = this.#pieces[this.#firstPiece]
      if (piece === undefined || this.#offset < piece.length) break
      this.#offset -= piece.length
      this.#firstPiece++
    }
    this.#dropConsumed()
  }

  /** Now and then, so that taking n pieces costs n steps; the consumed ones must not stay in memory, so not too rarely. */
  #dropConsumed(): void {
    if (this.#firstPiece === this.#pieces.length) {
      this.#pieces = []
      this.#firstPiece = 0
    } else if (this.#firstPiece >= 32 && this.#firstPiece * 2 >= this.#pieces.length) {
      this.#pieces.splice(0, this.#firstPiece)
      this.#firstPiece = 0
    }
  }
}

/**
 * Cuts a frame into the chunks that are handed to the transport: the header and small parts are copied together, large
 * parts pass as views of the caller's memory. Every chunk but the last has `chunkBytes` bytes.
 */
export function* frameChunks(parts: readonly Uint8Array[], frameBytes: number, chunkBytes: number): Generator<Uint8Array> {
  const header = encodeFrameHeader(frameBytes)
  let restBytes = header.length + frameBytes
  let filled = 0
  let gathered = new Uint8Array(Math.min(chunkBytes, restBytes))
  for (const part of [header, ...parts]) {
    let at = 0
    while (at < part.length) {
      if (filled === 0 && part.length - at >= Math.min(chunkBytes, restBytes)) {
        const end = at + Math.min(chunkBytes, restBytes)
        yield part.subarray(at, end)
        restBytes -= end - at
        at = end
        continue
      }
      if (gathered.length === 0) gathered = new Uint8Array(Math.min(chunkBytes, restBytes))
      const taken = Math.min(part.length - at, gathered.length - filled)
      gathered.set(part.subarray(at, at + taken), filled)
      filled += taken
      at += taken
      if (filled === gathered.length) {
        yield gathered
        restBytes -= filled
        filled = 0
        gathered = new Uint8Array(0) // the transport may still hold the one just handed out
      }
    }
  }
}

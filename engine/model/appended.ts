// How a content grew at its end: what was there before, and the tails that were put behind it. From this, tails that people wrote
// apart can be laid one after the other. Which bytes they are only the content itself says.

import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { parseAuthorId, type AuthorId } from './ids.ts'
import { AppendedSchema, type Appended as WireAppended } from './wire/entry_pb.ts'

export interface Tail {
  /** Without the line feed that stands before it when what is before it does not end in one. */
  readonly lengthBytes: number
  /** When it was written, as `Meta.contentTimeUs` counts. */
  readonly timeUs: number
  readonly editor: AuthorId
}

export interface Appended {
  /** The content before all tails, from the file's beginning. */
  readonly baseBytes: number
  /** In the order in which they stand; at least one. */
  readonly tails: readonly Tail[]
}

/** More tails than this are not told apart: such versions are kept side by side instead. */
export const tailsMax = 64

export function appendedMessage(appended: Appended): MessageInitShape<typeof AppendedSchema> {
  return create(AppendedSchema, {
    baseBytes: BigInt(appended.baseBytes),
    tails: appended.tails.map(({ lengthBytes, timeUs, editor }) => ({ lengthBytes: BigInt(lengthBytes), timeUs: BigInt(timeUs), editor })),
  })
}

/** undefined when it is not well formed for a file of `sizeBytes`: its parts, with a line feed each at most, are the file. */
export function parseAppended(message: WireAppended, sizeBytes: number): Appended | undefined {
  const baseBytes = Number(message.baseBytes)
  if (message.tails.length === 0 || message.tails.length > tailsMax || !Number.isSafeInteger(baseBytes)) return undefined
  const tails: Tail[] = []
  let total = baseBytes
  for (const tail of message.tails) {
    const lengthBytes = Number(tail.lengthBytes)
    const timeUs = Number(tail.timeUs)
    const editor = parseAuthorId(tail.editor)
    if (editor === undefined || lengthBytes < 1 || !Number.isSafeInteger(lengthBytes) || !Number.isSafeInteger(timeUs)) return undefined
    tails.push({ lengthBytes, timeUs, editor })
    total += lengthBytes
  }
  return total <= sizeBytes && sizeBytes < total + tails.length ? { baseBytes, tails } : undefined
}

// Conflicts over the API: who wrote which version, by name, and a person's decision.

import type { Conflict, ConflictDecision, ConflictKeep, ConflictVersion, DecidedVersion } from '../api/controls.ts'
import { equalBytes } from '../base/bytes.ts'
import { EngineError } from '../base/errors.ts'
import type { Index } from '../index/index-store.ts'
import type { AuthorId } from '../model/ids.ts'
import { keptPath } from '../sync/conflict-name.ts'
import { chooseResolution, conflictAt, listConflicts, type ConflictSide, type ResolutionChoice } from '../sync/conflicts.ts'
import { writeResolution } from '../sync/resolve.ts'
import { pathInFolder } from './folder-path.ts'
import { refuseUnwritable } from './folder-readiness.ts'
import type { FolderRuntime } from './folder-runtime.ts'
import type { EngineWorld } from './parts.ts'

export interface DeskParts {
  readonly world: EngineWorld
  readonly index: Index
}

const copiesMax = 1000
const microsecondsPerMillisecond = 1000

export function describeConflicts({ index }: DeskParts, runtime: FolderRuntime): readonly Conflict[] {
  const folder = runtime.record.name
  return listConflicts(index, runtime.handle, copiesMax).map(({ path, winner, copies }): Conflict => {
    const versions = copies.map((copy) => describeSide(index, runtime, copy, 'copy'))
    return { folder, path, versions: winner === undefined ? versions : [describeSide(index, runtime, winner, 'winner'), ...versions] }
  })
}

/** Throws `UNKNOWN_CONFLICT`, `CONFLICT_UNCLEAR`, `BAD_PATH`, `NOT_ALLOWED`, `FOLDER_STOPPED`. */
export function decideConflict({ world, index }: DeskParts, runtime: FolderRuntime, text: string, keep: ConflictKeep): ConflictDecision {
  const { name } = runtime.record
  refuseUnwritable(runtime, 'decide it on a node that may')
  const path = pathInFolder(runtime.record, text)
  const conflict = conflictAt(index, runtime.handle, path, copiesMax)
  if (conflict === undefined) {
    throw new EngineError('UNKNOWN_CONFLICT', `no conflict in ${name} is about ${path}: 'holdfast conflicts' shows those there are`)
  }
  const choice = chooseResolution(conflict, path, keep, (editor) => isOwn(index, runtime, editor))
  if (choice.kind === 'unclear') throw new EngineError('CONFLICT_UNCLEAR', `${conflict.path}: ${choice.reason}`)
  const versions = describeDecided(index, runtime, conflict, choice)
  const resolved = writeResolution(index, runtime.handle, conflict, choice, world.clock.nowMs())
  runtime.noteWritten()
  return { ...resolved, versions }
}

/** Each version that is decided about, and where it goes. */
function describeDecided(
  index: Index,
  runtime: FolderRuntime,
  { path, winner }: Parameters<typeof chooseResolution>[0],
  choice: Exclude<ResolutionChoice, { kind: 'unclear' }>,
): readonly DecidedVersion[] {
  const placed = new Map<ConflictSide, string | undefined>()
  if (winner !== undefined) placed.set(winner, choice.kind === 'all' ? path : undefined)
  if (choice.kind === 'all') for (const copy of choice.kept) placed.set(copy, keptPath(copy.path))
  else {
    for (const copy of choice.gone) placed.set(copy, undefined)
    placed.set(choice.kept, path)
  }
  return Array.from(placed, ([side, now]): DecidedVersion => {
    return { ...describeSide(index, runtime, side, side === winner ? 'winner' : 'copy'), ...(now === undefined ? {} : { now }) }
  })
}

function describeSide(index: Index, runtime: FolderRuntime, side: ConflictSide, role: ConflictVersion['role']): ConflictVersion {
  const { path, kind, sizeBytes, mtimeUs, editor } = side
  const nodeKey = editor === undefined ? undefined : nodeKeyOf(index, runtime, editor)
  const member = nodeKey === undefined ? undefined : runtime.log.members.find((one) => equalBytes(one.nodeKey, nodeKey))
  return {
    path,
    role,
    kind,
    bytes: sizeBytes,
    modifiedMs: Math.floor(mtimeUs / microsecondsPerMillisecond),
    mine: editor !== undefined && isOwn(index, runtime, editor),
    by: member?.name ?? '',
    ...(member === undefined ? {} : { peer: member.peer }),
  }
}

/** Whatever incarnation this node wrote under. */
function isOwn(index: Index, runtime: FolderRuntime, editor: AuthorId): boolean {
  const nodeKey = nodeKeyOf(index, runtime, editor)
  return nodeKey !== undefined && equalBytes(nodeKey, runtime.handle.identity.publicKey)
}

function nodeKeyOf(index: Index, runtime: FolderRuntime, editor: AuthorId): Uint8Array | undefined {
  return index.entries.author(runtime.handle.row, editor)?.nodeKey
}

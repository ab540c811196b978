// Deliberate faults in the production code, nasty ones, and the tests that are to notice. `npm run mutants` plants each in a copy of the project.

export interface Mutant {
  readonly what: string
  readonly file: string
  /** Must occur exactly once. */
  readonly find: string
  readonly put: string
  /** Substrings of the paths of the tests that are run. */
  readonly tests: readonly string[]
}

export const mutants: readonly Mutant[] = [
  {
    what: 'the content of a received file is not flushed before it gets its name',
    file: 'engine/disk/temporaries.ts',
    find: '    await file.datasync()\n    file.close()\n',
    put: '    file.close()\n',
    tests: ['unit/apply', 'sim/crash', 'sim/engine'],
  },
  {
    what: 'directories are not flushed after names changed in them',
    file: 'engine/disk/apply.ts',
    find: '  const failures = await syncTouched(disk)\n',
    put: '  const failures = new Map<string, FilesError>()\n  disk.touched.clear()\n',
    tests: ['unit/apply', 'sim/crash', 'sim/engine'],
  },
  {
    what: 'a file is replaced without a last look at it',
    file: 'engine/disk/replace.ts',
    find: '  if (!isSameContent(disk.files.lstat(target), expected)) {\n',
    put: '  if (target.length === 0) {\n',
    tests: ['unit/apply'],
  },
  {
    what: 'a file is replaced whatever is there now',
    file: 'engine/disk/replace.ts',
    find: "  const { path, expected, park } = operation\n  if (!disk.isAsExpected(path, expected)) return { kind: 'differs' }\n",
    put: '  const { path, expected, park } = operation\n',
    tests: ['unit/apply', 'sim/scenarios'],
  },
  {
    what: 'a new file takes its name by rename, over what appeared meanwhile',
    file: 'engine/disk/replace.ts',
    find: '      disk.files.link(temporary, target)\n      disk.files.unlink(temporary)\n',
    put: '      disk.files.rename(temporary, target)\n',
    tests: ['unit/apply', 'sim/engine'],
  },
  {
    what: 'what is replaced gets no second name first: nothing for history',
    file: 'engine/disk/replace.ts',
    find: '  if (parked !== undefined) parkSecondName(disk, target, parked, expected)\n',
    put: '',
    tests: ['unit/apply'],
  },
  {
    what: 'a directory that is a symlink is gone through',
    file: 'engine/disk/folder-disk.ts',
    find: "    return this.#checks.check(parent) === 'ok' && this.#checks.checkItself(parent) === 'ok'\n",
    put: '    return parent !== undefined\n',
    tests: ['unit/apply'],
  },
  {
    what: 'sequence numbers are handed out again',
    file: 'engine/index/folder-table.ts',
    find: 'update folder set next_seq = next_seq + ? where id = ? returning next_seq',
    put: 'update folder set next_seq = next_seq + ? * 0 where id = ? returning next_seq',
    tests: ['unit/index-store', 'sim/scenarios-edits'],
  },
  {
    what: 'a deletion wins over an edit that it has not seen',
    file: 'engine/sync/reconcile.ts',
    find: '  const living = versions.filter((version) => version.state !== undefined)\n  return living.filter(',
    put: '  const living = versions.some((version) => version.state === undefined) ? [] : versions\n  return living.filter(',
    tests: ['unit/reconcile', 'sim/scenarios-edits'],
  },
  {
    what: 'the version vectors of merged versions are not joined',
    file: 'engine/sync/reconcile.ts',
    find: '  const vector = versions.map((version) => version.vector).reduce(joinVectors)\n',
    put: '  const vector = versions.map((version) => version.vector)[0] ?? []\n',
    tests: ['unit/reconcile'],
  },
  {
    what: 'the losing side of a conflict gets no copy',
    file: 'engine/sync/merge.ts',
    find: '  for (const loser of resolution.losers) {\n',
    put: '  for (const loser of resolution.losers.slice(1)) {\n',
    tests: ['unit/merge', 'sim/scenarios-edits'],
  },
  {
    what: 'the marker of a folder is taken as given',
    file: 'engine/disk/folder-jobs.ts',
    find: '  const state = checkRoot(files, root, folder)\n',
    put: "  const state = checkRoot(files, root, folder) === 'unreadable' ? 'unreadable' : 'ok'\n",
    tests: ['integration/sync-guard'],
  },
  {
    what: 'a directory that cannot be read counts as empty',
    file: 'engine/disk/walk.ts',
    find: "    return without('unreadable', error.message)\n",
    put: "    return without('missing')\n",
    tests: ['unit/walk'],
  },
  {
    what: 'entries are taken without a look at the signature',
    file: 'engine/sync/check-entries-job.ts',
    find: '    if (!verify(set.nodeKey, changeSetContext, changeSetSigningBytes(input.folder, set), set.signature)) {\n',
    put: '    if (set.nodeKey.length === 0 && verify(set.nodeKey, changeSetContext, changeSetSigningBytes(input.folder, set), set.signature)) {\n',
    tests: ['unit/receive', 'fuzz/', 'integration/bad-input-member'],
  },
  {
    what: 'a block is taken without a look at its id and its key',
    file: 'engine/crypto/seal.ts',
    find: "  if (!equalBytes(blockIdOf(sealed), id)) throw badBlock('its bytes do not match its id')\n",
    put: '',
    tests: ['unit/seal'],
  },
  {
    what: 'a block that came by a lane is written without a look at its key',
    file: 'engine/sync/fill-by-lane-job.ts',
    find: "isKeyOf(input.sealKey, plaintext, key) ? 'written' : 'bad'",
    put: "key.length > 0 ? 'written' : 'bad'",
    tests: ['integration/lanes'],
  },
  {
    what: 'rows are told to others before they are flushed',
    file: 'engine/index/entry-table.ts',
    find: '    return this.#after.all(rowSeq, this.#flushedRowSeq, folderRow, limit)',
    put: '    return this.#after.all(rowSeq, Number.MAX_SAFE_INTEGER, folderRow, limit)',
    tests: ['unit/receive', 'unit/index-store', 'sim/engine'],
  },
  {
    what: 'heads, which claim everything, are sent with every batch',
    file: 'engine/sync/announce.ts',
    find: '  const caughtUp = isFlushed && taken === rows.length && rows.length < batchEntriesMax\n',
    put: '  const caughtUp = taken > 0 || rows.length === 0\n',
    tests: ['unit/receive', 'sim/engine'],
  },
  {
    what: 'any change is spread, however many files it deletes',
    file: 'engine/sync/safety.ts',
    find: '  return files >= guardedFilesMin && changed * 2 > files\n',
    put: '  return files < 0 && changed > files\n',
    tests: ['unit/safety'],
  },
  {
    what: 'the block store answers before the segment is flushed',
    file: 'engine/blocks/segment-log.ts',
    find: '      await active.file.datasync()\n',
    put: '',
    tests: ['unit/segment'],
  },
  {
    what: 'a node that is cut off finds everybody else lost',
    file: 'engine/replicas/absence.ts',
    find: '    return together > here\n',
    put: '    return together < 0\n',
    tests: ['unit/absence', 'sim/asleep'],
  },
  {
    what: 'who comes back is lost until others take that back',
    file: 'engine/replicas/absence-marks.ts',
    find: ' && one.cardEdition === edition)',
    put: ')',
    tests: ['unit/absence', 'unit/presence'],
  },
  {
    what: 'a machine that slept for days has seen everybody be away for days',
    file: 'engine/replicas/absence.ts',
    find: 'Math.min(Math.max(0, round.elapsedMs), roundMsMax)',
    put: 'round.elapsedMs',
    tests: ['unit/absence', 'unit/presence'],
  },
  {
    what: 'what a failed put left in a bucket counts at the next start',
    file: 'engine/blocks/pack-recover.ts',
    find: '      const isVoid = next.header !== undefined && next.header.previousSegment < held.pack\n',
    put: '      const isVoid = next.header === undefined && held.header === undefined\n',
    tests: ['unit/pack'],
  },
  {
    what: 'compaction of a bucket drops the tombstones that are needed still',
    file: 'engine/blocks/pack-compact.ts',
    find: '  await commits.commit(tombstones)\n',
    put: '',
    tests: ['unit/pack'],
  },
  {
    what: 'an index that does not fit the bucket is believed',
    file: 'engine/blocks/pack-recover.ts',
    find: '  return saved.segments.every(({ number }) => sizes.has(number) || index.liveIn(number).blocks === 0)\n',
    put: '  return true\n',
    tests: ['integration/s3-store'],
  },
  {
    what: 'a bucket that is empty is taken for one that lost everything',
    file: 'engine/blocks/pack-store.ts',
    find: "          if (read === 'noPack') await packs.lookAtClaim()\n",
    put: '',
    tests: ['integration/s3-store'],
  },
  {
    what: 'another disk in the place of the store is taken for damage',
    file: 'engine/blocks/segment-store.ts',
    find: '      if (read.bytes === undefined) this.#checkPlace()\n',
    put: '',
    tests: ['unit/segment-faults'],
  },
]

// Every path that is not in step, each with one reason and one next step: what is to come, from the needs, and what the others do not
// get, from the problems.

import type { OutOfStep, ReasonCount } from '../api/controls.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderHandle } from '../sync/folder-handle.ts'
import type { FolderProblems } from '../sync/problems.ts'
import { keptBackCodes, needReasons, parseNeedReason } from '../sync/reasons.ts'
import { openVersions } from '../sync/versions.ts'

export interface NeedFlows {
  readonly handle: FolderHandle
  readonly problems: Pick<FolderProblems, 'all'>
}

/** At most `limit` of them, what others do not get first; `total` counts all. */
export function listOutOfStep(
  index: Index,
  flows: NeedFlows,
  limit: number,
): { readonly items: readonly OutOfStep[]; readonly total: number } {
  const { handle, problems } = flows
  const keptBack = problems.all().flatMap(({ code, path, text, next }): OutOfStep[] => {
    return path === undefined || !keptBackCodes.has(code) ? [] : [{ path, direction: 'out', reason: code, text, next, bytes: 0 }]
  })
  const items = keptBack.slice(0, limit)
  const needs = index.needs.first(handle.row, limit - items.length)
  for (const { pathKey, reason: stored, bytes } of needs) {
    const reason = parseNeedReason(stored)
    const [version] = openVersions(handle.reading.metaKeys, index.entries.siblingsByKey(handle.row, pathKey))
    if (version !== undefined) items.push({ path: version.meta.path, direction: 'in', reason, ...needReasons[reason], bytes })
  }
  return { items, total: keptBack.length + index.needs.count(handle.row) }
}

/** Paths by reason, the most first. With `isQuick` needs are only counted: there may be very many. */
export function countReasons(index: Index, flows: NeedFlows, isQuick: boolean): readonly ReasonCount[] {
  const counts = new Map<string, number>()
  const add = (reason: string, paths: number): void => void counts.set(reason, (counts.get(reason) ?? 0) + paths)
  let queued = index.needs.count(flows.handle.row)
  if (!isQuick) {
    for (const { reason, paths } of index.needs.reasons(flows.handle.row)) {
      queued -= paths
      add(parseNeedReason(reason), paths)
    }
  }
  if (queued > 0) add('QUEUED', queued)
  for (const { code, path } of flows.problems.all()) if (path !== undefined && keptBackCodes.has(code)) add(code, 1)
  return [...counts].map(([reason, paths]) => ({ reason, paths })).toSorted((left, right) => right.paths - left.paths)
}

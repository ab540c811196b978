// What happens to hosts and to copies in a world, as steps of a script: stores that go, bytes that change, machines that never come back, and
// what an owner says about it.

import type { CopiesOracle } from './copies-oracle.ts'
import type { Fleet, Host } from './fleet.ts'
import type { SimNode } from './node.ts'
import type { Scheduler } from './scheduler.ts'
import type { Step } from './script.ts'
import { segmentPaths } from './stored-blocks.ts'

export interface HostWorld {
  readonly scheduler: Scheduler
  readonly fleet: Fleet
  readonly copies: CopiesOracle
}

/** Whether it could be done. Throws what the engine throws. */
export async function doToHost({ fleet, copies }: HostWorld, node: SimNode, peer: SimNode | undefined, step: Step): Promise<boolean> {
  const host = fleet.of(node)
  switch (step.do) {
    case 'wipe':
      if (host === undefined || host.isLost || node.bucket !== undefined) return false
      node.kill()
      copies.afflict(node, 'store', () => node.wipeStore())
      return true
    case 'storage':
      node.bucket?.turn(step.mood, step.forMs)
      return node.bucket !== undefined
    case 'rotStore': {
      const place = placeIn(node, step.at)
      if (place === undefined) return false
      copies.afflict(node, 'bits', () => node.user.rot(place.path, place.offset))
      return true
    }
    case 'lose':
      if (host === undefined || host.isLost || !host.isMember) return false
      node.kill()
      host.isLost = true
      return true
    case 'retire': {
      const retired = peer === undefined ? undefined : fleet.of(peer)
      const folder = node.controls?.folders()[0]
      if (retired === undefined || retired.isRetired || peer?.peer === undefined || folder?.role !== 'owner') return false
      await node.controls?.retireMember(folder.id, peer.peer, false)
      retired.isRetired = true
      return true
    }
    case 'leave':
      return host === undefined ? false : await leave(host, copies)
    case 'copies': {
      const folder = node.controls?.folders()[0]
      if (folder?.role !== 'owner') return false
      await node.controls?.setFolder(folder.id, { copies: String(step.copies) })
      return true
    }
    default:
      return false
  }
}

async function leave(host: Host, copies: CopiesOracle): Promise<boolean> {
  const { node } = host
  const folder = node.controls?.folders()[0]
  if (folder === undefined || host.isRetired) return false
  copies.noteLeaving(node)
  host.leaving = 'going'
  try {
    await node.controls?.removeFolder(folder.id, false)
  } finally {
    isGone(host)
  }
  return isGone(host)
}

/** Whether the folder was taken off it: where its process died on the way, that is known once it runs again. */
export function isGone(host: Host): boolean {
  const { controls } = host.node
  if (host.leaving === 'going' && controls !== undefined) host.leaving = controls.folders().length === 0 ? 'gone' : 'no'
  return host.leaving === 'gone'
}

/** A byte of the segments; undefined while there are none. `at`: from 0 to 1. */
function placeIn(node: SimNode, at: number): { readonly path: string; readonly offset: number } | undefined {
  const segments = segmentPaths(node).map((path) => ({ path, sizeBytes: node.user.lstat(path)?.sizeBytes ?? 0 }))
  let offset = Math.floor(at * segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
  for (const { path, sizeBytes } of segments) {
    if (offset < sizeBytes) return { path, offset }
    offset -= sizeBytes
  }
  return undefined
}

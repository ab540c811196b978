// The hosts of a simulated world: which take part, and which are gone for good.

import type { PeerId } from '../../engine/model/ids.ts'
import type { SimNode } from './node.ts'
import type { HostSetup, NodeSetup } from './script.ts'

export interface Host {
  readonly node: SimNode
  readonly setup: HostSetup
  /** It was asked to join. */
  isMember: boolean
  /** Its machine is gone. */
  isLost: boolean
  /** An owner has said that it is switched off for good. */
  isRetired: boolean
  /** The folder is being taken off it, or was; it may have come back by another link. */
  leaving: 'no' | 'going' | 'gone'
}

export class Fleet {
  readonly all: readonly Host[]

  constructor(nodes: readonly SimNode[], setups: readonly NodeSetup[]) {
    this.all = nodes.flatMap((node, at) => {
      const { host: setup, isLate } = setups[at] ?? {}
      return setup === undefined
        ? []
        : [{ node, setup, isMember: isLate !== true, isLost: false, isRetired: false, leaving: 'no' as const }]
    })
  }

  of(node: SimNode): Host | undefined {
    return this.all.find((host) => host.node === node)
  }

  /** Members whose machines are there. */
  get present(): readonly Host[] {
    return this.all.filter(({ isMember, isLost }) => isMember && !isLost)
  }

  /** … and that are counted on. */
  get active(): readonly Host[] {
    return this.present.filter(({ isRetired, leaving }) => !isRetired && leaving !== 'gone')
  }

  byPeer(peer: PeerId | string): Host | undefined {
    return this.all.find(({ node }) => node.peer === peer)
  }
}

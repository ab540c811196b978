// Networks of their own for daemons: Linux network namespaces, each joined to this process's network and to nothing else, so
// that two nodes in different ones can meet only through what stands in between. Needs root; tests skip without.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import type { DaemonOptions } from './daemon.ts'

export interface Namespace {
  /** The address of this process as seen from inside. */
  readonly outside: string
  /** The address of those inside. */
  readonly inside: string
  /** Options for a daemon that lives in it. */
  readonly daemon: DaemonOptions
}

/** Why namespaces cannot be had here; false when they can. */
export const noNamespaces: string | false = probe()

function probe(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  const name = `hfprobe${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', name])
  if (made.status !== 0) return 'needs root and the ip command, for network namespaces'
  const linked = spawnSync('ip', ['link', 'add', name.slice(-12), 'type', 'veth', 'peer', 'name', 'inside', 'netns', name])
  spawnSync('ip', ['netns', 'del', name])
  spawnSync('ip', ['link', 'del', name.slice(-12)])
  return linked.status === 0 ? false : 'virtual network interfaces cannot be made here'
}

let made = 0

/** Makes a namespace that goes with the test. Make the test's nodes first: they have to end before it. */
export function openNamespace(test: TestContext, label: string): Namespace {
  const name = `hf${process.pid}${label}`
  const network = `10.${200 + (process.pid % 50)}.${(Math.floor(process.pid / 50) * 8 + made++) % 250}`
  const [outside, inside] = [`${network}.1`, `${network}.2`]
  test.after(() => {
    spawnSync('ip', ['netns', 'del', name])
    spawnSync('ip', ['link', 'del', name])
  })
  ip('netns', 'add', name)
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'inside', 'netns', name)
  ip('addr', 'add', `${outside}/24`, 'dev', name)
  ip('link', 'set', name, 'up')
  ip('-n', name, 'addr', 'add', `${inside}/24`, 'dev', 'inside')
  ip('-n', name, 'link', 'set', 'inside', 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  return { outside, inside, daemon: { listen: [`/ip4/${inside}/tcp/0`], through: ['ip', 'netns', 'exec', name] } }
}

function ip(...words: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', [...words], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${words.join(' ')} failed: ${stderr}`)
}

export interface Cable {
  readonly daemon: DaemonOptions
  /** Pulled: nothing passes, and nobody is told. */
  pull(): void
  plug(): void
  /** What comes from inside goes no faster from now on. */
  slowDown(bitsPerSecond: number): void
  /** That came from inside, with all that the wire adds. */
  sentBytes(): number
}

/** Networks on one switch, whose cables can be pulled one by one. They go with the test. */
export function openSwitch(test: TestContext, labels: readonly string[]): readonly Cable[] {
  const bridge = `hfb${process.pid}`
  const network = `10.${150 + (process.pid % 50)}.${Math.floor(process.pid / 50) % 250}`
  test.after(() => spawnSync('ip', ['link', 'del', bridge]))
  ip('link', 'add', bridge, 'type', 'bridge')
  ip('link', 'set', bridge, 'up')
  return labels.map((label, at) => {
    const name = `hfs${process.pid}${label}`
    const inside = `${network}.${at + 2}`
    test.after(() => {
      spawnSync('ip', ['netns', 'del', name])
      spawnSync('ip', ['link', 'del', name])
    })
    ip('netns', 'add', name)
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'inside', 'netns', name)
    ip('link', 'set', name, 'master', bridge, 'up')
    ip('-n', name, 'addr', 'add', `${inside}/24`, 'dev', 'inside')
    ip('-n', name, 'link', 'set', 'inside', 'up')
    ip('-n', name, 'link', 'set', 'lo', 'up')
    return {
      daemon: { listen: [`/ip4/${inside}/tcp/0`], through: ['ip', 'netns', 'exec', name] },
      pull: () => ip('link', 'set', name, 'down'),
      plug: () => ip('link', 'set', name, 'up'),
      slowDown: (bitsPerSecond) =>
        ip(
          'netns',
          'exec',
          name,
          'tc',
          'qdisc',
          'add',
          'dev',
          'inside',
          'root',
          'tbf',
          'rate',
          `${bitsPerSecond}bit`,
          'burst',
          '64kb',
          'latency',
          '400ms',
        ),
      sentBytes: () => Number(readFileSync(`/sys/class/net/${name}/statistics/rx_bytes`, 'utf8')),
    }
  })
}

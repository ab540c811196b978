// A small disk of its own for a test: a tmpfs, which can be filled to the last page. Needs root; tests skip without.

import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestNodes } from './daemon.ts'

/** Why small disks cannot be had here; false when they can. */
export const noSmallDisks: string | false = probe()

function probe(): string | false {
  if (process.platform !== 'linux') return 'tmpfs is of Linux'
  const path = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const isMounted = mount(path, 1).status === 0
  if (isMounted) spawnSync('umount', ['-l', path])
  rmdirSync(path)
  return isMounted ? false : 'needs root, to mount a small disk'
}

function mount(path: string, sizeMiB: number): { readonly status: number | null; readonly stderr: string } {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'holdfast-test', path], { encoding: 'utf8' })
}

export class SmallDisk {
  readonly path: string

  /** Goes with the test of `nodes`, after its daemons. */
  constructor(nodes: TestNodes, name: string, sizeMiB: number) {
    this.path = nodes.path(name)
    mkdirSync(this.path)
    const { status, stderr } = mount(this.path, sizeMiB)
    if (status !== 0) throw new Error(`cannot mount a small disk: ${stderr}`)
    nodes.onEnd(() => spawnSync('umount', ['-l', this.path]))
  }

  /** Takes all the room there is, to the last page. */
  fill(): void {
    const descriptor = openSync(join(this.path, 'filler'), 'a')
    try {
      for (const sizeBytes of [1024 * 1024, 4096]) {
        const bytes = Buffer.alloc(sizeBytes)
        while (writesAll(descriptor, bytes)) continue
      }
    } finally {
      closeSync(descriptor)
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    rmSync(join(this.path, 'filler'), { force: true })
  }
}

function writesAll(descriptor: number, bytes: Uint8Array): boolean {
  try {
    return writeSync(descriptor, bytes) === bytes.length
  } catch {
    return false // full
  }
}

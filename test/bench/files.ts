// Looking at trees from outside: the same checks for every tool.

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { run, runOrThrow } from './processes.ts'
import type { Patience } from './waiting.ts'

/** Bytes of the files below `root` whose path relative to it is chosen; 0 when there is no `root`. */
export function bytesBelow(root: string, isChosen: (path: string) => boolean = () => true): number {
  if (!existsSync(root)) return 0
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((item) => item.isFile() && isChosen(relative(root, join(item.parentPath, item.name))))
    .reduce((sum, item) => sum + lstatSync(join(item.parentPath, item.name)).size, 0)
}

export function sizeBytesOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.size
}

/** Copies a tree with its times and modes; `to` must not exist. */
export async function copyTree(from: string, to: string, patience: Patience): Promise<void> {
  mkdirSync(dirname(to), { recursive: true })
  await runOrThrow({ command: 'cp', args: ['-a', from, to] }, patience)
}

export async function isSameContent(a: string, b: string, patience: Patience): Promise<boolean> {
  const { exitCode } = await run({ command: 'cmp', args: ['-s', a, b] }, patience)
  return exitCode === 0
}

/** What `diff -r` finds, one line a difference, names of the tool itself left out. */
export async function differences(a: string, b: string, except: readonly string[], patience: Patience): Promise<readonly string[]> {
  const excluded = except.flatMap((name) => ['-x', name])
  const { exitCode, stdout, stderr } = await run({ command: 'diff', args: ['-rq', '--no-dereference', ...excluded, a, b] }, patience)
  if (exitCode > 1) throw new Error(`diff of ${a} and ${b} failed: ${stderr.trim()}`)
  return stdout.split('\n').filter((line) => line !== '')
}

/** Brings what is dirty in memory to the disk, so that one tool's writes are not paid by the next. */
export async function flushDisk(patience: Patience): Promise<void> {
  await runOrThrow({ command: 'sync', args: [] }, patience)
}

export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** The file system's type as Linux names it, for example `ext4`; undefined elsewhere. */
export function fileSystemType(path: string): string | undefined {
  try {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').flatMap(parseMount)
    const holding = mounts.filter((mount) => path === mount.point || path.startsWith(mount.point === '/' ? '/' : `${mount.point}/`))
    return holding.reduce<Mount | undefined>((best, mount) => (best && best.point.length > mount.point.length ? best : mount), undefined)
      ?.type
  } catch {
    return undefined
  }
}

interface Mount {
  readonly point: string
  readonly type: string
}

function parseMount(line: string): readonly Mount[] {
  const [before, after] = line.split(' - ')
  const point = before?.split(' ')[4]
  const type = after?.split(' ')[0]
  return point === undefined || type === undefined ? [] : [{ point, type }]
}

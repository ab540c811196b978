// Waits until the file system makes files at its usual speed, so that what was deleted before a run is not paid by it.
// ext4 does not use an inode again for a minute or more after it was freed, and steps over each such inode at every create
// (`recently_deleted` in fs/ext4/ialloc.c): after `rm -r` of some 100,000 files, making one was seen to cost 20 times as much.
// For the same reason bench.ts removes the trees of many files only when everything is measured.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nowMs, pause, type Patience } from './waiting.ts'

const probeFolders = 20
const probeFilesPerFolder = 25
/** Usual on ext4 are 20 to 40 µs of the kernel's time, after a large deletion 400 to 800. */
const createUsMax = 120
const retryMs = 10_000
const waitMsMax = 240_000

/** `directory` keeps the few empty files of the probes: removing them would do what this waits out. */
export async function untilFilesAreMadeAsUsual(directory: string, patience: Patience, say: (text: string) => void): Promise<void> {
  const startMs = nowMs()
  for (let createUs = probeCreateUs(directory); createUs > createUsMax; createUs = probeCreateUs(directory)) {
    const figure = `making a file takes the system ${createUs.toFixed(0)} µs, as after a large deletion`
    if (nowMs() - startMs > waitMsMax) return say(`warning: ${figure}; going on, the figures for file creation will be too slow`)
    say(`${figure}: waiting`)
    await pause(retryMs, patience.signal)
  }
}

/** The kernel's CPU time, not the clock's: a busy machine is another matter. */
function probeCreateUs(directory: string): number {
  mkdirSync(directory, { recursive: true })
  const parent = mkdtempSync(join(directory, 'probe-'))
  const before = process.cpuUsage()
  for (let folder = 0; folder < probeFolders; folder++) {
    const path = join(parent, String(folder))
    mkdirSync(path)
    for (let file = 0; file < probeFilesPerFolder; file++) writeFileSync(join(path, String(file)), '')
  }
  return process.cpuUsage(before).system / (probeFolders * probeFilesPerFolder)
}

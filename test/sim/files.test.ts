// The simulated drive against the contract of every file system, on each kind of names it can have.

import { SeededRandom } from '../support/seeded-random.ts'
import { filesSuite } from '../contract/files.ts'
import { DiskFaults, Gate } from './disk-gate.ts'
import { SimDisk } from './disk.ts'
import type { NameRules } from './disk-tree.ts'
import { SimFiles } from './files.ts'

const kinds: readonly (readonly [string, NameRules])[] = [
  ['simulated, like ext4', { isCaseSensitive: true, unicode: 'exact' }],
  ['simulated, like APFS', { isCaseSensitive: false, unicode: 'insensitive' }],
]

for (const [name, rules] of kinds) {
  filesSuite(name, () => {
    let timeUs = 1_700_000_000_000_000
    const disk = new SimDisk({ nowUs: () => (timeUs += 10), random: new SeededRandom(name), rules })
    const files = new SimFiles(disk, { kind: 'engine', gate: new Gate({ faults: new DiskFaults() }) })
    files.makeDirectory('/root', 0o755)
    return { files, root: '/root', [Symbol.asyncDispose]: async () => undefined }
  })
}

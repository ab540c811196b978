// The store whose bytes test/golden/segment.hex holds: two blocks, a removal, a sealed segment, a second one.

import { CrashFiles } from '../support/crash-files.ts'
import { openSmallStore, testBlock, testFolder } from '../support/blocks.ts'

export async function goldenStore(): Promise<CrashFiles> {
  const files = new CrashFiles()
  await using store = await openSmallStore(files, { segmentBytes: 520 })
  await store.put([testBlock(1, 20), testBlock(2, 30, testFolder(2))])
  await store.remove(testFolder(1), [testBlock(1, 20).id])
  await store.put([testBlock(3, 40)])
  return files
}

// Worker job that computes a layout: some tenths of a second that the main thread does not have.

import type { JobResult } from '../base/jobs.ts'
import type { Layout } from './layout.ts'
import { layOut as layOutNow, type PlacementInput } from './place.ts'

export function layOut(input: PlacementInput): JobResult<Layout> {
  return { output: layOutNow(input) }
}

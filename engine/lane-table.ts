// The jobs of the thread that lanes live in; lane-worker.ts runs them.

import { fillByLane } from './sync/fill-by-lane-job.ts'
import { endLane, offerLane, sendByLane, takeLane, type InLaneWorld, type LaneWorld } from './transfer/lane-jobs.ts'

export type LaneTable = {
  readonly endLane: InLaneWorld<typeof endLane>
  readonly fillByLane: InLaneWorld<typeof fillByLane>
  readonly offerLane: InLaneWorld<typeof offerLane>
  readonly sendByLane: InLaneWorld<typeof sendByLane>
  readonly takeLane: InLaneWorld<typeof takeLane>
}

export function laneTable(world: LaneWorld): LaneTable {
  return {
    endLane: (input) => endLane(input, world),
    fillByLane: (input) => fillByLane(input, world),
    offerLane: (input) => offerLane(input, world),
    sendByLane: (input) => sendByLane(input, world),
    takeLane: (input) => takeLane(input, world),
  }
}

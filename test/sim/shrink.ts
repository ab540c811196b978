// Makes a failing script short: delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) over its
// steps, then one piece at a time over everything else. What is left fails in the same way, and no single step of it can go.

import type { NodeSetup, Script, Step } from './script.ts'

/** The failure without what differs from run to run: contents, times, sizes, paths. */
export function kindOfFailure(failure: string): string {
  const [line = ''] = failure.split('\n')
  return line
    .replaceAll(/[0-9a-f]{20}/g, '…')
    .replaceAll(/block [0-9a-f]{10}/g, 'block …')
    .replaceAll(/\d+(\.\d+)?/g, '#')
    .replaceAll(/ at .* at /g, ' at … at ')
    .replace(/^.* on (\S+) shows content that nobody wrote/, 'content that nobody wrote')
    .slice(0, 40)
}

/** `fails` says whether a script still shows the failure; `onProgress` hears of each shorter one. */
export async function shrink(
  script: Script,
  fails: (candidate: Script) => Promise<boolean>,
  onProgress: (shorter: Script) => void = () => undefined,
): Promise<Script> {
  let best = script
  const attempt = async (candidate: Script): Promise<boolean> => {
    if (!(await fails(candidate))) return false
    best = candidate
    onProgress(best)
    return true
  }
  for (let before = -1; before !== sizeOf(best);) {
    before = sizeOf(best)
    await shrinkList(best.steps, (steps) => attempt({ ...best, steps }))
    await shrinkList(best.before, (list) => attempt({ ...best, before: list }))
    for (const candidate of simplerWorlds(best)) await attempt(candidate(best))
    for (let at = 0; at < best.steps.length; at++) {
      for (const simpler of simplerSteps(best.steps[at])) await attempt({ ...best, steps: best.steps.with(at, simpler) })
    }
  }
  return best
}

function sizeOf(script: Script): number {
  return JSON.stringify(script).length
}

/** Leaves out ever smaller pieces as long as `accepts` takes the rest. */
async function shrinkList(all: readonly Step[], accepts: (rest: readonly Step[]) => Promise<boolean>): Promise<void> {
  let kept = all
  if (kept.length > 0 && (await accepts([]))) return
  for (let pieceLength = Math.ceil(kept.length / 2); pieceLength >= 1; pieceLength = pieceLength === 1 ? 0 : Math.ceil(pieceLength / 2)) {
    for (let at = 0; at < kept.length;) {
      const rest = kept.toSpliced(at, pieceLength)
      // The pause of what goes is kept: much depends on when things happen.
      const [first, next] = [kept.slice(at, at + pieceLength), rest[at]]
      const pauseMs = first.reduce((sum, step) => sum + step.afterMs, 0)
      const patient = next === undefined ? rest : rest.with(at, { ...next, afterMs: next.afterMs + pauseMs })
      if (await accepts(patient)) kept = patient
      else at += pieceLength
    }
  }
}

/** Simpler machines and links, one change each. */
function simplerWorlds(script: Script): readonly ((from: Script) => Script)[] {
  const plain = ({ name, isLate }: NodeSetup): NodeSetup => ({ name, wallOffsetMs: 0, jobWidth: 2, ...(isLate === true ? { isLate } : {}) })
  return [
    (from) => ({ ...from, network: 'calm' }),
    (from) => ({ ...from, nodes: from.nodes.map(plain) }),
    ...script.nodes.slice(2).map(
      ({ name }) =>
        (from: Script) =>
          withoutNode(from, name),
    ),
    ...script.nodes.map(({ name }) => (from: Script) => ({
      ...from,
      nodes: from.nodes.map((node) => (node.name === name ? plain(node) : node)),
    })),
  ]
}

function withoutNode({ nodes, before, steps, ...rest }: Script, name: string): Script {
  const stays = ({ on }: Step): boolean => on !== name
  return { ...rest, nodes: nodes.filter((node) => node.name !== name), before: before.filter(stays), steps: steps.filter(stays) }
}

function simplerSteps(step: Step | undefined): readonly Step[] {
  if (step === undefined) return []
  const small =
    'content' in step && 'sizeBytes' in step.content && step.content.sizeBytes > 10 ? { ...step.content, sizeBytes: 10 } : undefined
  return [
    ...(step.afterMs > 0 ? [{ ...step, afterMs: 0 }] : []),
    ...(step.afterMs > 1000 ? [{ ...step, afterMs: 1000 }] : []),
    ...('content' in step && small !== undefined ? [{ ...step, content: small }] : []),
  ]
}

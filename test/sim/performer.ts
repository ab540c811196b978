// Does the steps of a script in a world: people's work, accidents, links. What is not possible at the time is left out, and said.

import { EngineError } from '../../engine/base/errors.ts'
import { doFreeing, type FreeStep } from './freeing.ts'
import { doToHost, isGone } from './host-deeds.ts'
import type { Hosting } from './hosting.ts'
import type { SimNode } from './node.ts'
import { SimCrash } from './life.ts'
import type { Oracle } from './oracle.ts'
import type { Person } from './person.ts'
import { doAsPerson } from './person-deeds.ts'
import { isRefusal, refusalOf } from './refusal.ts'
import { awaitAgreement } from './rest.ts'
import { describeStep, type Step } from './script.ts'
import type { World } from './world.ts'

const limits = { durationMs: 600_000, stepsMax: 2_000_000 }
const { signal } = new AbortController()
/** After these a node may rightly have less history: it is of another age, there is no room for it, it was in what is gone, or in a file that was freed. */
const shortensHistory: ReadonlySet<string> = new Set(['clock', 'room', 'loseDatabase', 'restore', 'free', 'keep'])

const joinAttemptsMax = 5
/** How many copies are looked at while time passes between two steps. */
const looksBetweenMax = 4

export class Performer {
  readonly #world: World
  readonly #oracle: Oracle
  readonly #hosting: Hosting | undefined
  /** Starts and joinings under way, by node: at rest there are none. */
  readonly #busy = new Map<SimNode, Promise<void>>()
  /** What `open` threw where nobody waited for it; thrown on at the next step. */
  readonly #failedStarts: unknown[] = []
  /** Calls that change a drive since an accident was last armed there. */
  #callsSinceArmed = 0

  constructor(world: World, oracle: Oracle, hosting?: Hosting) {
    this.#world = world
    this.#oracle = oracle
    this.#hosting = hosting
  }

  /** Since the last `killInCall` or `crashInCall`, also when that never struck. */
  get callsSinceArmed(): number {
    return this.#callsSinceArmed
  }

  /** All but the late nodes start, the first begins the folder, the others join it, each by a link of its own. */
  async begin(): Promise<void> {
    const machines = this.#machines
    for (const node of machines) await this.#settle(node.start(), `first start of ${node.name}`)
    const [first, ...others] = machines
    const owner = first?.controls
    if (first === undefined || owner === undefined) throw new Error('a world needs a first node that runs')
    const copies = this.#hosting?.target
    const folder = { path: first.folderPath, name: 'Folder', ...(copies === undefined ? {} : { copies }) }
    await this.#settle(owner.addFolder(folder), 'adding the folder')
    for (const node of others) await this.#settle(this.#join(node), `${node.name} joins`)
  }

  /** Of all that take part and are not gone for good: those that read first. */
  get #machines(): readonly SimNode[] {
    return [...this.#oracle.members.map(({ node }) => node), ...(this.#hosting?.fleet.present.map(({ node }) => node) ?? [])]
  }

  /** Whether it could be done. */
  async perform(step: Step): Promise<boolean> {
    this.#throwFailedStarts()
    if (step.afterMs > 0) await this.#pass(step.afterMs)
    const person = this.#oracle.people.find(({ node }) => node.name === step.on)
    const node = this.#world.nodes.find(({ name }) => name === step.on)
    const asPerson = person === undefined ? undefined : doAsPerson(person, step)
    if (asPerson === true && person !== undefined) this.#oracle.look(person.node)
    if (step.do === 'rot' && person !== undefined) this.#oracle.excuseHistory(person.node) // blocks of what is past may be in that file alone
    const isDone = asPerson ?? (node !== undefined && (await this.#onNode(node, step)))
    this.#world.scheduler.note(`* ${describeStep(step)}${isDone ? '' : ' (not possible now)'}`)
    await this.#look()
    return isDone
  }

  /** Lets time pass; where there are hosts, copies are looked at a few times on the way. */
  async #pass(durationMs: number): Promise<void> {
    const pieces = this.#hosting === undefined ? 1 : looksBetweenMax
    for (let piece = 1; piece <= pieces; piece++) {
      await this.#world.scheduler.runFor(durationMs / pieces)
      if (piece < pieces) await this.#look()
    }
  }

  async #look(): Promise<void> {
    await this.#hosting?.copies.look((work) => this.#settle(work, 'listing copies'))
  }

  /** Ends every disturbance: links up, room on the drives, all members running, folders resumed. */
  async calm(): Promise<void> {
    this.#world.fabric.heal()
    for (const node of this.#machines) {
      node.faults.clear()
      node.disk.leaveRoom({})
      node.bucket?.turn(undefined)
    }
    await this.#revive()
    for (const node of this.#machines) {
      if (this.#isAway(node)) continue
      if (node.controls?.folders().length === 0) await this.#settle(this.#joinAtLast(node), `${node.name} joins`)
      const { controls } = node
      if (controls === undefined) throw new Error(`${node.name} did not come up`)
      for (const folder of controls.folders()) if (folder.state === 'paused') await this.#settle(controls.resumeFolder(folder.id), 'resume')
    }
    // Where days pass it is found out.
    if (this.#hosting?.hasDays !== true) await this.giveUpLost()
  }

  /** Whose machine is gone is told to be: nobody waits for it any more. */
  async giveUpLost(): Promise<void> {
    const lost = this.#hosting?.fleet.all.filter(({ isLost, isRetired }) => isLost && !isRetired) ?? []
    const owner = this.#owner()?.name
    for (const { node } of lost) if (owner !== undefined) await this.perform({ do: 'retire', on: owner, peer: node.name, afterMs: 0 })
  }

  /** All members run, and no accident is armed any more. */
  async #revive(): Promise<void> {
    for (const node of this.#machines) node.faults.beforeCall(undefined)
    for (const node of this.#machines) {
      await this.#finish(node)
      if (!node.isRunning) await this.#settle(node.start(), `start of ${node.name}`)
      this.#throwFailedStarts()
    }
  }

  async #onNode(node: SimNode, step: Step): Promise<boolean> {
    if (shortensHistory.has(step.do)) this.#oracle.excuseHistory(node)
    switch (step.do) {
      case 'pause':
      case 'resume':
        return await this.#pauseOrResume(node, step.do)
      case 'start':
      case 'restart':
        return step.do === 'start' ? this.#start(node) : await this.#restart(node)
      case 'kill':
      case 'crash':
        return this.#strike(node, step.do)
      case 'killInCall':
      case 'crashInCall':
        return this.#strikeInCall(node, step.do === 'killInCall' ? 'kill' : 'crash', step.calls)
      case 'stop':
        return await this.#stop(node)
      case 'free':
      case 'fetch':
      case 'keep':
        return await this.#freeOrFetch(node, step)
      case 'join':
        return this.#joinLate(node)
      case 'loseDatabase':
      case 'backUp':
      case 'restore':
        return this.#home(node, step.do)
      case 'trouble':
        node.faults.add({
          path: step.where === 'home' ? node.homePath : node.folderPath,
          operations: [step.operation],
          fault: step.fault,
          times: step.times,
        })
        return true
      case 'room':
        node.disk.leaveRoom(step)
        return true
      case 'clock':
        node.wall.jump(step.byMs)
        return true
      default:
        return await this.#onWorld(node, step)
    }
  }

  async #onWorld(node: SimNode, step: Step): Promise<boolean> {
    const { fabric } = this.#world
    const peerOf = (name: string) => this.#world.nodes.find((one) => one.name === name)?.peer
    switch (step.do) {
      case 'heal':
        fabric.heal()
        return true
      case 'partition':
        fabric.partition(step.groups.map((group) => group.flatMap((name) => peerOf(name) ?? [])))
        return true
      case 'cut':
      case 'block': {
        const [from, to] = [node.peer, peerOf(step.peer)]
        if (from === undefined || to === undefined) return false
        if (step.do === 'cut') fabric.breakConnection(from, to)
        else fabric.setReachable(from, to, false)
        return true
      }
      case 'rest':
        await this.#revive()
        await awaitAgreement(this.#world, this.#oracle)
        return true
      default:
        return await this.#onCopies(node, step)
    }
  }

  async #onCopies(node: SimNode, step: Step): Promise<boolean> {
    const hosting = this.#hosting
    if (hosting === undefined || this.#busy.has(node)) return false
    const peerNode = 'peer' in step ? this.#world.nodes.find(({ name }) => name === step.peer) : undefined
    const deed = doToHost({ ...hosting, scheduler: this.#world.scheduler }, node, peerNode, step)
    const outcome = await this.#settle(Promise.race([deed.catch(refusalOf), node.died()]), step.do)
    if (outcome instanceof Error) this.#world.scheduler.note(`${node.name} could not ${step.do}: ${outcome.message}`)
    return outcome === true
  }

  async #pauseOrResume(node: SimNode, name: 'pause' | 'resume'): Promise<boolean> {
    const { controls } = node
    const folder = controls?.folders()[0]
    if (controls === undefined || folder === undefined || this.#busy.has(node)) return false
    const work = name === 'pause' ? controls.pauseFolder(folder.id) : controls.resumeFolder(folder.id)
    // A crash that was armed before may strike while this is under way: then nobody answers.
    const outcome = await this.#settle(Promise.race([work.then(() => 'done' as const, refusalOf), node.died()]), name)
    if (outcome instanceof Error) this.#world.scheduler.note(`${node.name} could not ${name}: ${outcome.message}`)
    return outcome === 'done'
  }

  /** Whether a file left the drive, or is on its way to it. */
  async #freeOrFetch(node: SimNode, step: FreeStep): Promise<boolean> {
    const { controls } = node
    const folder = controls?.folders()[0]
    if (controls === undefined || folder === undefined || this.#busy.has(node)) return false
    const check = this.#hosting?.copies.watchFreeing(node)
    const work = doFreeing(controls, folder.id, step)
    const outcome = await this.#settle(Promise.race([work.catch(refusalOf), node.died()]), step.do)
    if (outcome instanceof Error) this.#world.scheduler.note(`${node.name} could not ${step.do}: ${outcome.message}`)
    if (typeof outcome === 'object' && 'needed' in outcome) check?.(outcome.needed)
    return typeof outcome === 'object' && 'isDone' in outcome && outcome.isDone
  }

  /** Not waited for: it may be killed again on the way. */
  #start(node: SimNode): boolean {
    if (node.isRunning || this.#busy.has(node) || !this.#isMember(node)) return false
    this.#inBackground(node, this.#startAndJoin(node))
    return true
  }

  async #stop(node: SimNode): Promise<boolean> {
    if (!node.isRunning || this.#busy.has(node)) return false
    await this.#settle(Promise.race([node.stop().catch(refusalOf), node.died()]), `stop of ${node.name}`)
    return true
  }

  async #restart(node: SimNode): Promise<boolean> {
    if (!node.isRunning) return false
    await this.#finish(node)
    if (node.isRunning) await this.#settle(Promise.race([node.stop(), node.died()]), `stop of ${node.name}`)
    if (!node.isRunning) await this.#settle(this.#tryStart(node), `start of ${node.name}`)
    return true
  }

  /** A drive that fails or is full may keep it from starting; in the end, when all is calm, it must start. */
  async #tryStart(node: SimNode): Promise<void> {
    try {
      await node.start()
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#world.scheduler.note(`${node.name} could not start: ${error.message}`)
    }
  }

  #strike(node: SimNode, how: 'kill' | 'crash'): boolean {
    if (!node.isRunning) return false
    if (how === 'kill') node.kill()
    else node.crash()
    if (how === 'crash') this.#hosting?.copies.notePowerCut(node)
    if (this.#personOf(node) !== undefined) this.#oracle.recheck(node)
    return true
  }

  #strikeInCall(node: SimNode, how: 'kill' | 'crash', calls: number): boolean {
    if (!node.isRunning) return false
    this.#callsSinceArmed = 0
    node.faults.beforeCall((call) => {
      if (!call.isMutating || this.#callsSinceArmed++ < calls) return
      node.faults.beforeCall(undefined)
      this.#strike(node, how)
      this.#world.scheduler.note(`* ${node.name}: ${how} before ${call.operation} ${call.path}`)
    })
    return true
  }

  #joinLate(node: SimNode): boolean {
    const host = this.#hosting?.fleet.of(node)
    const isIn = this.#isMember(node) && !this.#isAway(node)
    if (isIn || host?.isLost === true || this.#busy.has(node)) return false
    if (host === undefined) this.#personOf(node)?.enrol()
    else {
      host.isMember = true
      host.leaving = 'no'
    }
    this.#inBackground(node, this.#startAndJoin(node))
    return true
  }

  /** The folder was taken off it. */
  #isAway(node: SimNode): boolean {
    const host = this.#hosting?.fleet.of(node)
    return host !== undefined && isGone(host)
  }

  #personOf(node: SimNode): Person | undefined {
    return this.#oracle.people.find((person) => person.node === node)
  }

  #home(node: SimNode, what: 'loseDatabase' | 'backUp' | 'restore'): boolean {
    if (this.#busy.has(node) || !this.#isMember(node)) return false
    if (what === 'backUp') return node.backUpHome()
    if (what === 'restore' && !node.hasBackup) return false
    node.kill()
    if (what === 'loseDatabase') node.database.lose()
    else if (this.#hosting === undefined) node.restoreHome()
    else this.#hosting.copies.afflict(node, 'store', () => node.restoreHome())
    return true
  }

  /** Who finds after the start that the folder is not there joins it again. */
  async #startAndJoin(node: SimNode): Promise<void> {
    if (!node.isRunning) await this.#tryStart(node)
    if (node.controls?.folders().length !== 0 || this.#isAway(node)) return
    try {
      await Promise.race([this.#join(node), node.died()])
    } catch (error) {
      // Cut off, or one of the two died: it joins in the end, when all is calm.
      if (!isRefusal(error) && !(error instanceof SimCrash)) throw error
      this.#world.scheduler.note(`${node.name} could not join: ${error.message}`)
    }
  }

  /** A connection may break now and then in a calm world too: then it is tried again. */
  async #joinAtLast(node: SimNode): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#join(node)
      } catch (error) {
        if (!(error instanceof EngineError) || attempt === joinAttemptsMax) throw error
      }
    }
  }

  async #join(node: SimNode): Promise<void> {
    const inviter = this.#owner(node)
    const folder = inviter?.controls?.folders()[0]
    if (inviter?.controls === undefined || folder === undefined) throw new EngineError('PEER_UNREACHABLE', 'nobody is there who can invite')
    const host = this.#hosting?.fleet.of(node)?.setup
    const role = host !== undefined ? 'host' : this.#hosting?.owners.has(node.name) === true ? 'owner' : 'write'
    const shared = await Promise.race([inviter.controls.share({ folder: folder.id, role }), inviter.died()])
    if (shared === 'died') throw new EngineError('PEER_UNREACHABLE', 'who was to invite died')
    await node.controls?.join({ link: shared.link, ...(host === undefined ? { path: node.folderPath } : { keep: host.keep }) }, signal)
  }

  /** A running one, of the first that there is. */
  #owner(but?: SimNode): SimNode | undefined {
    return this.#oracle.members.find(({ node }) => node !== but && node.controls?.folders()[0]?.role === 'owner')?.node
  }

  #inBackground(node: SimNode, starting: Promise<void>): void {
    const over = starting.then(
      () => void this.#busy.delete(node),
      (error: unknown) => {
        this.#busy.delete(node)
        this.#failedStarts.push(error)
      },
    )
    this.#busy.set(node, over)
  }

  #isMember(node: SimNode): boolean {
    return this.#machines.includes(node)
  }

  #throwFailedStarts(): void {
    const error = this.#failedStarts[0]
    if (error !== undefined) throw new Error('a node could not be started again', { cause: error })
  }

  async #finish(node: SimNode): Promise<void> {
    const busy = this.#busy.get(node)
    if (busy !== undefined) await this.#settle(busy, `start of ${node.name}`)
  }

  #settle<T>(work: Promise<T>, what: string): Promise<T> {
    return this.#world.scheduler.settle(work, limits, what)
  }
}

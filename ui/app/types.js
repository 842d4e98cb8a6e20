// Types of the API and the stream (docs/api.md, docs/streams.md). Fields that a kind
// of object does not have are absent.

/**
 * @typedef {object} Hello
 * @property {string} version of the agent
 * @property {string} [label]
 * @property {string} epoch
 * @property {number} seq
 * @property {number} interval milliseconds between two ticks
 * @property {number} history values that a series holds
 * @property {string[]} topics
 *
 * @typedef {object} History
 * @property {number} interval
 * @property {number} end time of the last value, milliseconds
 * @property {(number|null)[]} [requests]
 * @property {(number|null)[]} [connections]
 * @property {(number|null)[]} [errors]
 * @property {(number|null)[]} [responseMs]
 * @property {(number|null)[]} [bytesOut]
 *
 * @typedef {object} Stat
 * @property {string} id
 * @property {"frontend"|"backend"|"backendMember"} type
 * @property {string} key
 * @property {string} [status]
 * @property {{current: number, max: number, limit?: number}} [connections]
 * @property {Record<string, number>} [rate] per second
 * @property {{current: number, max: number}} [queue]
 * @property {{queue?: number, connect?: number, response?: number, total?: number}} [timesMs]
 * @property {number} [healthy]
 * @property {number} [members]
 * @property {number} [weight]
 * @property {{status: string, code?: number, durationMs?: number, description?: string, sinceMs?: number}} [check]
 * @property {number} [downtimeMs]
 * @property {string} [version]
 * @property {string} [server]
 * @property {History} [history] in a state only
 *
 * @typedef {object} Rule
 * @property {string} type
 * @property {string} operation
 * @property {string} value
 * @property {string} backend
 * @property {string} [header]
 *
 * @typedef {object} Frontend
 * @property {string} id
 * @property {string} key
 * @property {string} bind
 * @property {string} [backend]
 * @property {string} mode
 * @property {string} keepalive
 * @property {Rule[]} rules
 * @property {string[]} natives
 * @property {FrontendTLS} [tls]
 * @property {string} [defaults]
 * @property {{name: string}} [register]
 * @property {string[]} [acceptProxy]
 * @property {string} [etag]
 *
 * @typedef {object} Member
 * @property {string} id
 * @property {string} host
 * @property {number} port
 * @property {string} [version]
 * @property {string} [name]
 * @property {Record<string, string>} [meta]
 * @property {number} [lastKnown]
 * @property {Override} [override]
 *
 * @typedef {object} Override what an operator asked for a member
 * @property {"ready"|"drain"|"maint"} state
 * @property {number|string} [weight]
 * @property {string} [until]
 * @property {string} [by]
 * @property {string} [reason]
 * @property {string} since
 *
 * @typedef {object} Health
 * @property {string} [method]
 * @property {string} [uri]
 * @property {string} [httpVersion]
 * @property {number} [interval]
 *
 * @typedef {{bind: string, certificates: string[], default?: string, [field: string]: unknown}} FrontendTLS
 *
 * @typedef {object} Backend
 * @property {string} id
 * @property {string} key
 * @property {"dynamic"|"static"} type
 * @property {string} [name] the Consul service
 * @property {string} [version]
 * @property {Record<string, number>} [versions]
 * @property {string} balance
 * @property {boolean} [hashStable]
 * @property {string} [protocol]
 * @property {string} [sendProxy]
 * @property {{verify: string, serverName?: string, sni?: string, alpn?: string[], minVersion?: string, certificate?: string, fromMeta?: string[]}} [tls]
 * @property {string} mode
 * @property {string} [host]
 * @property {Health} [health]
 * @property {string[]} natives
 * @property {string} [weightsBy] who sets weights and states of the servers
 * @property {Member[]} [members]
 * @property {(Override & {host: string, port: number})[]} [overrides] of members that are not here now
 * @property {string} [etag]
 *
 * @typedef {{since?: string, until?: string, lost?: number, reason?: string, doubt?: string}} Hold
 *
 * @typedef {object} Service
 * @property {string} id
 * @property {string} service
 * @property {boolean} known
 * @property {string} [seen]
 * @property {string} [stale]
 * @property {{version: string, total: number, healthy: number}[]} versions
 * @property {Hold} [hold] instances that Consul no longer lists stay in use
 * @property {{id: string, node: string, address: string, version?: string, reason: string}[]} [unusable] registrations that are not valid
 * @property {string} [consulPage] the service in Consul's UI, as the agent reaches Consul
 *
 * @typedef {object} UnusedInstance what a backend sends no requests to
 * @property {string} [id] Consul's
 * @property {string} [node]
 * @property {string} address
 * @property {string} [version]
 * @property {string} kind
 * @property {string} reason
 * @property {{id: string, name?: string, status: string, output?: string, ofNode?: boolean}[]} [checks]
 * @property {{status: string, check?: string, code?: number, output?: string, since?: string}} [haproxy]
 *
 * @typedef {object} Status
 * @property {string} version
 * @property {string} [label]
 * @property {string} started
 * @property {number} revision
 * @property {number} inEffect
 * @property {string} [problem]
 * @property {string[]} [warnings]
 * @property {{id: string, routedBy: string[], reason: string, detail?: string}[]} [empty] backends without members
 * @property {{running: boolean, idle?: boolean, version?: string, masterPid?: number, workerPid?: number, reloads: number, oldWorkers: number, lost?: string}} haproxy
 *
 * @typedef {object} Event
 * @property {string} [id]
 * @property {number} seq
 * @property {number} time
 * @property {string} verb
 * @property {{id: string, type: string, key?: string}} object
 * @property {string} [cause]
 * @property {string} [author]
 * @property {string[]} [reasons]
 * @property {string[]} [diff]
 * @property {number} [durationMs]
 * @property {string} [error]
 * @property {number} [revision]
 * @property {string} [path]
 *
 * @typedef {object} Recorded a haproxy.cfg that was in effect
 * @property {number} number
 * @property {string} time
 * @property {number} revision
 * @property {string} [cause]
 * @property {string} [author]
 * @property {string} [path]
 * @property {number} size
 * @property {string} [text] only of a single one
 *
 * @typedef {object} Cluster
 * @property {string} epoch
 * @property {string} state
 * @property {string[]} reasons
 * @property {string} name
 * @property {string} version of Pacemaker
 * @property {string} dc
 * @property {boolean} quorum
 * @property {boolean} maintenance
 * @property {{enabled: boolean, devices: string[]}} fencing
 * @property {string} node this one
 * @property {string} role of this node
 * @property {ClusterNode[]} nodes
 * @property {ClusterResource[]} resources
 * @property {{resource: string, address: string, node: string, nodes: string[], shared?: boolean, haproxy: boolean}[]} floatingIPs
 * @property {ClusterFailure[]} failures
 * @property {boolean} settled
 * @property {{by: string, time: string, job: string, node?: string}} [shutDown] who has shut the cluster down
 *
 * @typedef {object} OtherCluster another cluster at a glance
 * @property {string} name in the settings of the agent
 * @property {string} state that of a Cluster, or unreachable or unknown
 * @property {string[]} reasons
 * @property {string} clusterName what it calls itself
 * @property {string} version
 * @property {string} epoch
 * @property {string} dc
 * @property {boolean} quorum
 * @property {boolean} fencing it works
 * @property {number} nodes
 * @property {number} nodesOnline
 * @property {number} resources
 * @property {number} resourcesRunning
 * @property {number} resourcesFailed
 * @property {ClusterFailure[]} failures the latest ones
 * @property {number} failureCount
 * @property {string} node that has told this
 * @property {string} address of its agent
 * @property {string} [seen] when
 * @property {{address: string, problem?: string, retry?: string}[]} agents
 *
 * @typedef {{node: string, author: string, code?: string, nodes: number, expires: string, state: string, result?: string,
 *   steps: {node?: string, step: string, state: string, text: string}[]}} ClusterInvitation
 * @typedef {{node: string, steps: {node?: string, step: string, state: string, text: string}[], cluster?: Cluster}} ClusterMembership
 * @typedef {{name: string, type?: string, host?: string, state: string, leaving?: boolean, dc: boolean, resources: string[], attributes: Record<string, string>, utilization?: Record<string, string>}} ClusterNode
 * @typedef {{id: string, in: string, clone: boolean, agent: string, state: string, why?: string[], places: {node: string, state: string, role?: string}[], utilization?: Record<string, string>}} ClusterResource
 * @typedef {{node: string, resource: string, operation: string, intervalMs: number, code: number, status: string, meaning: string, reason: string, call: number, time: string}} ClusterFailure
 *
 * @typedef {object} FieldError
 * @property {string} path
 * @property {string} problem
 * @property {string} [expected]
 *
 * @typedef {object} Message what the server sends over the stream
 * @property {string} type
 * @property {string} [topic]
 * @property {number} [seq]
 * @property {number} [time]
 * @property {any[]} [objects]
 * @property {any[]} [changed]
 * @property {string[]} [removed]
 * @property {string} [message]
 */

export {};

/** A change that is collected before it is carried out.
 * @typedef {{id: string, message: string, author: string, time: string, changed: string, objects: string[], conflicts?: string[]}} Draft */

/** One request that changed a draft.
 * @typedef {{number: number, time: string, author: string, method: string, path: string, objects: string[]}} DraftEdit */

/** What a change does to an object; before: null: it is created; after: null: it is deleted.
 * @typedef {{id: string, before: any, after: any}} ObjectChange */

/** What a change would do now; config: the difference of haproxy.cfg.
 * @typedef {{base: number, path: string, reasons?: string[], changes: ObjectChange[], warnings?: string[], config?: string}} Preview */

/** @typedef {{draft: Draft, preview: Preview, problem?: string, output?: string}} DraftDifference */

/** An accepted change.
 * @typedef {{number: number, author: string, cause: string, message?: string, time: string, changes: ObjectChange[]}} Revision */

/** The figures of one side of a canary in a step.
 * @typedef {{requests: number, rate: number, "5xx": number, errors: number, responseTimeMs: number}} CanaryFigures
 *   rate per second, responseTimeMs mean */

/** A deploy in steps.
 * @typedef {Object} Canary
 * @property {string} id
 * @property {string} backend key
 * @property {string} version
 * @property {string} from
 * @property {number[]} steps
 * @property {string} every
 * @property {string} abortOn
 * @property {string} phase
 * @property {number} percent
 * @property {number} measuredMs
 * @property {CanaryFigures} [new]
 * @property {CanaryFigures} [old]
 * @property {string} [reason]
 * @property {string} [problem]
 * @property {string} [pending]
 * @property {string} [now]
 * @property {string} [ended] */

/** The failure of nodes at the same time.
 * @typedef {{nodes: string[], known: boolean, problem?: string, survives: boolean, quorum: boolean, lost: string[], addresses?: string[], demoted?: string[], reasons?: string[]}} Loss
 * @typedef {{epoch: string, computing: boolean, time: string, text: string[], losses: Loss[]}} Losses */

/** What the cluster does, and in which order.
 * @typedef {{id: number, kind: "operation"|"fence"|"cluster"|"pseudo", operation: string, resource?: string, node?: string, intervalMs?: number, order: number, params?: Record<string, string>, meta?: Record<string, string>}} TransitionStep
 * @typedef {{nodes: TransitionStep[], edges: {from: number, to: number}[], depth: number, width: number}} Transition
 * @typedef {{action: string, resource?: string, node: string, from?: string, reason?: string}} Decision
 * @typedef {{epoch: string, supposed: string[], consequences: Decision[], text: string[], after: Cluster, graph: Transition,
 *   scores: {resource: string, node: string, score: string, promotion?: boolean}[], capacities: {node: string, left: Record<string, string>}[]}} Prediction
 * @typedef {{changes: string[], warnings: string[], objects: {object: string, before: string, after: string, secret?: boolean}[], simulation: Prediction}} Foreseen */

/** An event that a simulation supposes, and a draft of the cluster's configuration.
 * @typedef {{number?: number, text?: string, node?: string, state?: string, resource?: string, op?: string, intervalMs?: number, code?: number, ticket?: string, action?: string, quorum?: boolean}} Injection
 * @typedef {{id: string, author: string, message: string, listed: boolean, begun: string, changed: string, edits: {number: number, author: string, time: string, method: string, path: string}[],
 *   objects: string[], conflicts: string[], inject: Injection[], at?: string, kept: string[], commit?: string}} ClusterDraft */

/** What the cluster went through.
 * @typedef {{node: string, resource: string, operation: string, intervalMs: number, call: number, code: number, status: number, meaning: string, failed: boolean, time: string, durationMs: number, queuedMs: number, reason?: string}} OperationResult
 * @typedef {{id: string, time: string, tag: string, file: string, dc: string, epoch: string, quorum: boolean, known: boolean, decisions?: Decision[], operations?: OperationResult[], before?: string, after?: string,
 *   change?: {time: string, user?: string, client?: string, node?: string}, versions?: number, authors?: Authorship[]}} PastTransition
 * @typedef {{from: string, to: string, node: string, more: boolean, missing: string[], sources: {name: string, problem?: string}[],
 *   lines: {time: string, node?: string, source: string, daemon?: string, pid?: number, severity?: string, text: string}[]}} Logged
 * @typedef {{id: string, kind: "export"|"report", name: string, cluster?: string, nodes: string[], imported: string, by?: string, from: string, to: string,
 *   transitions: number, logLines: number, bytes: number, notes: string[]}} ImportedHistory
 * @typedef {{earliest?: string, latest?: string}} PastInstant
 * @typedef {{minMs: number, maxMs: number}} PastSpan
 * @typedef {{name: string, node?: string, resource?: string, begin: PastInstant, end: PastInstant, took: PastSpan, recorded: boolean,
 *   sources: {kind: string, time: string, node?: string, text: string}[]}} PastPhase
 * @typedef {{transition: string, transitions: string[], kind: string, node?: string, summary: string, phases: PastPhase[], total: PastSpan, notes: string[],
 *   advice: {rule: string, costMs: number, atMost?: boolean, text: string}[], logNode: string, logNodes: string[], logSources: {name: string, problem?: string}[], missing: string[]}} PastExplanation
 * @typedef {{time: string, transition: string, recorded: string, ageMs: number, operations: OperationResult[], changes: Authorship[], next?: string, nextTime?: string}} PastRecord
 * @typedef {{name?: string, time?: string, job?: string, kind?: string, object?: string, client?: string, node?: string, versions: number}} Authorship */

/** A resource or a node of the cluster with everything about it.
 * @typedef {{kind: string, through?: string, object: Record<string, any>}} RelatedConstraint
 * @typedef {{operations: OperationResult[], failures: ClusterFailure[], failCounts: {resource: string, node: string, count: number, threshold: number}[],
 *   bans: {id: string, resource: string, node: string, score: string, promotedOnly: boolean}[], constraints: RelatedConstraint[], actions: string[]}} ClusterDetail
 * @typedef {ClusterDetail & {id: string, kind: string, object: Record<string, any>, meta: Record<string, string>, containers: string[], tags: string[], resources: ClusterResource[]}} ResourceDetail
 * @typedef {ClusterDetail & {name: string, node: ClusterNode, object?: Record<string, any>,
 *   fencing: {node: string, action: string, status: string, device: string, reason: string, time: string}[]}} NodeDetail */

/** What a resource agent says of itself.
 * @typedef {{name: string, type: string, default?: string, options?: string[], required?: boolean, unique?: boolean, deprecated?: boolean, secret?: boolean, shortDescription?: string, longDescription?: string}} AgentParameter
 * @typedef {{agent: string, version: string, shortDescription?: string, longDescription?: string, parameters: AgentParameter[], actions: {name: string, role?: string, timeout?: string, interval?: string, depth?: string}[]}} ClusterAgent */

/** What was asked of the cluster.
 * @typedef {{id: string, kind: string, state: string, author: string, node: string, object: string, nodes?: string[], begun: string, ended?: string, commands: string[], changes?: string[],
 *   predicted: {text: string}[], actual: {text: string}[], deviations: string[], result: string, code?: string, canceledBy?: string}} ClusterJob */

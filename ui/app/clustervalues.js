// What is known of attributes by their names: those that a form suggests, with their legal values.
// Those of advanced use, and those that Pacemaker sets itself, are not suggested. Pure.

const bool = ["true", "false"];

/** Meta attributes of resources. An empty list: any value.
 * @type {Record<string, string[]>} */
export const metaValues = {
  "target-role": ["Started", "Stopped", "Promoted", "Unpromoted"], "is-managed": bool, maintenance: bool, priority: [], critical: bool, "resource-stickiness": [], "migration-threshold": [], "failure-timeout": [],
  "multiple-active": ["stop_start", "stop_only", "stop_unexpected", "block"], "allow-migrate": bool, "allow-unhealthy-nodes": bool, requires: ["fencing", "quorum", "unfencing", "nothing"], "remote-node": [], "remote-addr": [],
};

/** Meta attributes of clones.
 * @type {Record<string, string[]>} */
export const cloneValues = {
  "clone-max": [], "clone-node-max": [], "clone-min": [], notify: bool, "globally-unique": bool, ordered: bool, interleave: bool, promotable: bool, "promoted-max": [], "promoted-node-max": [], "target-role": metaValues["target-role"], "is-managed": bool,
};

/** Properties of the cluster. stonith-enabled is for advanced use to Pacemaker; whoever has no fence
 * device yet needs it.
 * @type {Record<string, string[]>} */
export const propertyValues = {
  "stonith-enabled": bool, "stonith-action": ["reboot", "off"], "no-quorum-policy": ["stop", "freeze", "ignore", "demote", "suicide"], "symmetric-cluster": bool, "maintenance-mode": bool, "cluster-recheck-interval": [],
  "node-health-strategy": ["none", "migrate-on-red", "only-green", "progressive", "custom"], "node-health-base": [], "node-health-green": [], "node-health-yellow": [], "node-health-red": [],
  "placement-strategy": ["default", "utilization", "minimal", "balanced"], "priority-fencing-delay": [], "start-failure-is-fatal": bool, "enable-startup-probes": bool, "concurrent-fencing": bool, "fence-reaction": ["stop", "panic"],
  "stonith-max-attempts": [], "stonith-watchdog-timeout": [], "shutdown-lock": bool, "shutdown-lock-limit": [], "enable-acl": bool, "stop-all-resources": bool, "stop-orphan-resources": bool, "stop-orphan-actions": bool,
  "cluster-name": [], "cluster-delay": [], "dc-deadtime": [], "load-threshold": [], "batch-limit": [], "migration-limit": [], "node-action-limit": [],
  "pe-error-series-max": [], "pe-warn-series-max": [], "pe-input-series-max": [], "cluster-ipc-limit": [],
};

/** Properties that Pacemaker sets itself. */
export const ofPacemaker = ["cluster-infrastructure", "dc-version", "have-watchdog", "last-lrm-refresh"];

/** Defaults of operations.
 * @type {Record<string, string[]>} */
export const operationValues = { timeout: [], "on-fail": ["ignore", "block", "demote", "stop", "restart", "fence", "standby", "restart-container"], "record-pending": bool, interval: [] };

/** Attributes of nodes.
 * @type {Record<string, string[]>} */
export const nodeValues = { standby: ["on", "off"], maintenance: bool };

/** Meta attributes of alerts.
 * @type {Record<string, string[]>} */
export const alertValues = { timeout: [], "timestamp-format": [], enabled: bool };

/** Operations that a resource needs, in the order of a form, and what their roles were called before. */
const operations = ["start", "stop", "monitor", "promote", "demote"];
const formerRoles = /** @type {Record<string, string>} */ ({ Master: "Promoted", Slave: "Unpromoted" });

/** The operations that an agent recommends and a form lacks. A monitor of a deeper check is left to
 * whoever wants it.
 * @param {{name: string, role?: string, timeout?: string, interval?: string, depth?: string}[]} actions of the agent
 * @param {{name: string, role?: string}[]} has the operations of the form */
export function recommended(actions, has) {
  return operations.flatMap((name) => actions.filter((a) => a.name === name && !(Number(a.depth) > 0))
    .map((a) => ({ name, timeout: a.timeout ?? "", role: formerRoles[a.role ?? ""] ?? a.role ?? "", ...(name === "monitor" && a.interval ? { interval: a.interval } : {}) })))
    .filter((op, i, all) => all.findIndex((o) => o.name === op.name && o.role === op.role) === i && !has.some((h) => h.name === op.name && (h.role ?? "") === op.role));
}

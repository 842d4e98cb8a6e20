// Package failover explains what a cluster did when it lost a node, when a resource failed,
// or when somebody moved something: in which phases, how long each took, and what settings
// cost time. It is pure, and uses only what was recorded: inputs of the scheduler with the
// results of operations, lines of logs, jobs, and events of the agent. What nobody recorded
// is an interval between two records, and is never guessed.
package failover

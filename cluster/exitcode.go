package cluster

import "fmt"

// Meaning is the result of an operation in words, as Pacemaker says them: that of the status of
// the execution unless it was done, else that of the agent's exit code
// (pcmk_exec_status and ocf_exitcode in crm/common/results.h).
func Meaning(code, status int) string {
	executions := map[int]string{
		-1: "pending", 1: "canceled", 2: "timed out", 3: "not supported", 5: "error that no other run on this node helps", 6: "error that no node helps",
		7: "agent or tool not installed", 8: "no connection to the executor", 9: "cannot be carried out now", 10: "no fence device",
		11: "secrets not available",
	}
	if words, ok := executions[status]; ok {
		return words
	}
	codes := map[int]string{
		0: "ok", 1: "error", 2: "invalid parameter", 3: "unimplemented feature", 4: "insufficient privileges", 5: "not installed", 6: "not configured",
		7: "not running", 8: "promoted", 9: "promoted, but failed", 189: "connection lost", degraded: "degraded", degradedPromoted: "promoted, but degraded",
		193: "pending", 194: "ended by a signal", 195: "not supported", 196: "pending", 197: "canceled", 198: "timed out", 199: "other error",
	}
	if words, ok := codes[code]; ok {
		return words
	}
	return fmt.Sprintf("unknown exit code %d", code)
}

// The exit codes of what runs, but not as it should.
const (
	degraded         = 190
	degradedPromoted = 191
)

// IsDegraded reports whether an exit code says that something runs, but not as it should.
func IsDegraded(code int) bool { return code == degraded || code == degradedPromoted }

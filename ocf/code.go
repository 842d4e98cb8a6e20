package ocf

import "fmt"

// A Code is an exit code of a resource agent. "Pacemaker Explained" describes their
// effects under "OCF Return Codes".
type Code int

// The codes that this agent returns.
const (
	OK            Code = 0
	Generic       Code = 1 // failed; Pacemaker tries again, here or elsewhere
	Args          Code = 2 // cannot run on this node now
	Unimplemented Code = 3 // unknown action
	Installed     Code = 5 // something is not installed on this node
	Configured    Code = 6 // invalid parameters, on every node: the resource stops everywhere
	NotRunning    Code = 7
	Degraded      Code = 190 // it runs and keeps running, but needs attention
)

// String returns the name of a code.
func (c Code) String() string {
	names := map[Code]string{
		OK: "ok", Generic: "failed", Args: "cannot run here", Unimplemented: "unimplemented",
		Installed: "not installed", Configured: "invalid parameters", NotRunning: "not running", Degraded: "degraded",
	}
	if name, ok := names[c]; ok {
		return name
	}
	return fmt.Sprintf("code %d", int(c))
}

// A Result is the result of an action.
type Result struct {
	Code Code
	// Reason is a sentence for operators, with its cause first: Pacemaker keeps 128 bytes.
	// It is empty with OK, unless a reload was refused.
	Reason string
	// Output is for standard output.
	Output string
}

func ok() Result { return Result{} }

func result(code Code, format string, args ...any) Result {
	return Result{Code: code, Reason: fmt.Sprintf(format, args...)}
}

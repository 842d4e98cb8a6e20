package ocf

import "fmt"

// A Code is an exit code of a resource agent; what Pacemaker makes of it is in
// Pacemaker Explained, "OCF Return Codes".
type Code int

// The codes that this agent returns.
const (
	OK            Code = 0
	Generic       Code = 1 // failed; try again, here or elsewhere
	Args          Code = 2 // cannot work on this node as it is
	Unimplemented Code = 3 // there is no such action
	Installed     Code = 5 // something is not installed on this node
	Configured    Code = 6 // the parameters are wrong: on every node, so the resource stops everywhere
	NotRunning    Code = 7
	Degraded      Code = 190 // it runs and is left alone, but somebody should look
)

// String names a code.
func (c Code) String() string {
	names := map[Code]string{
		OK: "ok", Generic: "failed", Args: "cannot work here", Unimplemented: "unimplemented",
		Installed: "not installed", Configured: "wrong parameters", NotRunning: "not running", Degraded: "degraded",
	}
	if name, ok := names[c]; ok {
		return name
	}
	return fmt.Sprintf("code %d", int(c))
}

// A Result is how an action ended.
type Result struct {
	Code Code
	// Reason is a sentence for whoever looks at the cluster; empty with OK.
	Reason string
	// Output goes to standard output.
	Output string
}

func ok() Result { return Result{} }

func result(code Code, format string, args ...any) Result {
	return Result{Code: code, Reason: fmt.Sprintf(format, args...)}
}

package cluster

import (
	"errors"
	"fmt"
)

// An ErrorKind is what the failure of one of Pacemaker's tools means.
type ErrorKind string

// Kinds of failures.
const (
	KindForbidden    ErrorKind = "forbidden"     // this user may not do that
	KindUsage        ErrorKind = "usage"         // the tool does not understand the request
	KindInvalid      ErrorKind = "invalid"       // the result is no valid configuration
	KindNotConnected ErrorKind = "not_connected" // Pacemaker does not run here
	KindStale        ErrorKind = "stale"         // the CIB has changed in the meantime
	KindNotFound     ErrorKind = "not_found"     // no such node, resource or device
	KindExists       ErrorKind = "exists"        // there is one already
	KindNoQuorum     ErrorKind = "no_quorum"     // this partition may not decide
	KindUnsafe       ErrorKind = "unsafe"        // the cluster's state forbids it
	KindTimedOut     ErrorKind = "timed_out"     // no answer within the time limit
	KindNotInstalled ErrorKind = "not_installed" // there is no such tool here
	KindCrashed      ErrorKind = "crashed"       // a bug of the tool
	KindFailed       ErrorKind = "failed"        // anything else
)

// Meaning is half a sentence about the kind of failure.
func (k ErrorKind) Meaning() string {
	switch k {
	case KindForbidden:
		return "permission denied; it takes root, or the group haclient"
	case KindUsage:
		return "this version of the tool does not understand the request"
	case KindInvalid:
		return "the cluster's configuration would not be valid"
	case KindNotConnected:
		return "Pacemaker does not run on this node, or does not answer"
	case KindStale:
		return "the cluster's configuration has changed in the meantime"
	case KindNotFound:
		return "the cluster knows no such node, resource or device"
	case KindExists:
		return "there is one of that name already"
	case KindNoQuorum:
		return "this part of the cluster has no quorum"
	case KindUnsafe:
		return "the cluster's present state forbids it"
	case KindTimedOut:
		return "no answer in time"
	case KindNotInstalled:
		return "this tool of Pacemaker is not installed here"
	case KindCrashed:
		return "the tool crashed"
	case KindFailed:
	}
	return "failed"
}

// An Error is the failure of one of Pacemaker's tools.
type Error struct {
	Tool string // crm_resource
	Kind ErrorKind
	Code int    // exit code; 0: it did not end by itself
	Said string // the tool's own words, fit to be shown; may be empty
}

// Error tells which tool failed, what that means, and what the tool said.
func (e *Error) Error() string {
	text := e.Tool + ": " + e.Kind.Meaning()
	if e.Said != "" {
		text += ": " + e.Said
	}
	if e.Code != 0 {
		text += fmt.Sprintf(" (exit code %d)", e.Code)
	}
	return text
}

// IsKind reports whether err is the failure of a tool of that kind.
func IsKind(err error, k ErrorKind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == k
}

package cluster

import (
	"errors"
	"fmt"
)

// An ErrorKind is the kind of failure of one of Pacemaker's tools.
type ErrorKind string

// Kinds of failures.
const (
	KindForbidden    ErrorKind = "forbidden"     // permission denied
	KindUsage        ErrorKind = "usage"         // the tool does not support the request
	KindInvalid      ErrorKind = "invalid"       // the resulting configuration is invalid
	KindNotConnected ErrorKind = "not_connected" // Pacemaker does not run here
	KindStale        ErrorKind = "stale"         // the CIB has changed meanwhile
	KindNotFound     ErrorKind = "not_found"     // unknown node, resource or device
	KindExists       ErrorKind = "exists"        // the name exists already
	KindNoQuorum     ErrorKind = "no_quorum"     // this partition has no quorum
	KindUnsafe       ErrorKind = "unsafe"        // the state of the cluster forbids it
	KindTimedOut     ErrorKind = "timed_out"     // no answer within the time limit
	KindNotInstalled ErrorKind = "not_installed" // the tool is not installed
	KindCrashed      ErrorKind = "crashed"       // the tool crashed
	KindFailed       ErrorKind = "failed"        // anything else
)

// Meaning describes the kind of failure in half a sentence.
func (k ErrorKind) Meaning() string {
	switch k {
	case KindForbidden:
		return "permission denied; root or membership in the group haclient is required"
	case KindUsage:
		return "this version of the tool does not support the request"
	case KindInvalid:
		return "the resulting configuration of the cluster is invalid"
	case KindNotConnected:
		return "Pacemaker does not run on this node, or does not answer"
	case KindStale:
		return "the configuration of the cluster has changed meanwhile"
	case KindNotFound:
		return "the cluster has no such node, resource or device"
	case KindExists:
		return "the name exists already"
	case KindNoQuorum:
		return "this part of the cluster has no quorum"
	case KindUnsafe:
		return "the current state of the cluster forbids it"
	case KindTimedOut:
		return "no answer in time"
	case KindNotInstalled:
		return "this tool of Pacemaker is not installed on this node"
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
	Code int    // exit code; 0: it did not exit by itself
	Said string // the tool's message, without secrets; may be empty
	// User is whose ACLs of Pacemaker have forbidden it; empty: nobody's.
	User string
	// Nodes are those that are not as an action of the nodes wants them; none: that is not known.
	Nodes []string
}

// Error returns the tool, the meaning of the failure, and the tool's message.
func (e *Error) Error() string {
	meaning := e.Kind.Meaning()
	if e.User != "" {
		meaning = "the ACLs of Pacemaker do not let " + e.User + " do this"
	}
	text := e.Tool + ": " + meaning
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

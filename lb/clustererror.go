package lb

import (
	"errors"
	"fmt"
)

// A ClusterKind is what the failure of one of Pacemaker's tools means.
type ClusterKind string

// Kinds of failures.
const (
	ClusterForbidden    ClusterKind = "forbidden"     // this user may not do that
	ClusterUsage        ClusterKind = "usage"         // the tool does not understand the request
	ClusterInvalid      ClusterKind = "invalid"       // the result is no valid configuration
	ClusterNotConnected ClusterKind = "not_connected" // Pacemaker does not run here
	ClusterStale        ClusterKind = "stale"         // the CIB has changed in the meantime
	ClusterNotFound     ClusterKind = "not_found"     // no such node, resource or device
	ClusterExists       ClusterKind = "exists"        // there is one already
	ClusterNoQuorum     ClusterKind = "no_quorum"     // this partition may not decide
	ClusterUnsafe       ClusterKind = "unsafe"        // the cluster's state forbids it
	ClusterTimedOut     ClusterKind = "timed_out"     // no answer within the time limit
	ClusterNotInstalled ClusterKind = "not_installed" // there is no such tool here
	ClusterCrashed      ClusterKind = "crashed"       // a bug of the tool
	ClusterFailed       ClusterKind = "failed"        // anything else
)

// Meaning is half a sentence about the kind of failure.
func (k ClusterKind) Meaning() string {
	switch k {
	case ClusterForbidden:
		return "permission denied; it takes root, or the group haclient"
	case ClusterUsage:
		return "this version of the tool does not understand the request"
	case ClusterInvalid:
		return "the cluster's configuration would not be valid"
	case ClusterNotConnected:
		return "Pacemaker does not run on this node, or does not answer"
	case ClusterStale:
		return "the cluster's configuration has changed in the meantime"
	case ClusterNotFound:
		return "the cluster knows no such node, resource or device"
	case ClusterExists:
		return "there is one of that name already"
	case ClusterNoQuorum:
		return "this part of the cluster has no quorum"
	case ClusterUnsafe:
		return "the cluster's present state forbids it"
	case ClusterTimedOut:
		return "no answer in time"
	case ClusterNotInstalled:
		return "this tool of Pacemaker is not installed here"
	case ClusterCrashed:
		return "the tool crashed"
	case ClusterFailed:
	}
	return "failed"
}

// A ClusterError is the failure of one of Pacemaker's tools.
type ClusterError struct {
	Tool string // crm_resource
	Kind ClusterKind
	Code int    // exit code; 0: it did not end by itself
	Said string // the tool's own words, fit to be shown; may be empty
}

// Error tells which tool failed, what that means, and what the tool said.
func (e *ClusterError) Error() string {
	text := e.Tool + ": " + e.Kind.Meaning()
	if e.Said != "" {
		text += ": " + e.Said
	}
	if e.Code != 0 {
		text += fmt.Sprintf(" (exit code %d)", e.Code)
	}
	return text
}

// IsCluster reports whether err is the failure of a tool of that kind.
func IsCluster(err error, k ClusterKind) bool {
	e, ok := errors.AsType[*ClusterError](err)
	return ok && e.Kind == k
}

package agent

import (
	"errors"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// isRefusal reports whether HAProxy, rather than the surroundings, said no.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*lb.RefusedError](err)
	return ok
}

// isTooLarge reports whether HAProxy has refused to have so many server lines.
func isTooLarge(err error) bool { return isRefusal(err) && haproxy.LacksFiles(outputOf(err)) }

// outputOf is what HAProxy wrote, where the error carries it.
func outputOf(err error) string {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return refused.Output
	}
	return err.Error()
}

// A reloadError says why servers cannot be put right without a reload.
type reloadError struct {
	reasons []plan.Reason
}

func (e *reloadError) Error() string {
	return "a reload is needed: " + enumerate(plan.Change{Reload: e.reasons}.Diff())
}

func needsReload(err error) bool {
	_, ok := errors.AsType[*reloadError](err)
	return ok
}

// reasonsOf are the reasons to reload after a change at run time failed, of which a
// part may have been carried out; none after nil.
func reasonsOf(err error) []plan.Reason {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*reloadError](err); ok {
		return e.reasons
	}
	return []plan.Reason{{Object: "process", What: "runtime", Detail: []string{err.Error()}}}
}

package agent

import (
	"errors"
	"maps"

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

// fixedBy is the reasons why HAProxy adds no server lines to backends, with that of an
// error of a change at run time.
func fixedBy(fixed map[lb.Name]string, err error) map[lb.Name]string {
	e, ok := errors.AsType[*haproxy.LinesError](err)
	if !ok {
		return fixed
	}
	out := map[lb.Name]string{}
	maps.Copy(out, fixed)
	out[e.Backend] = e.Why
	return out
}

// A reloadError says why servers cannot be restored without a reload.
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
	if e, ok := errors.AsType[*haproxy.CertificatesError](err); ok {
		return []plan.Reason{{Object: "process", What: "certificates", Detail: []string{e.Why}}}
	}
	if e, ok := errors.AsType[*haproxy.LinesError](err); ok {
		return []plan.Reason{{Object: lb.Backend{Key: e.Backend}.ID(), What: "slots", Detail: []string{e.Why}}}
	}
	return []plan.Reason{{Object: "process", What: "runtime", Detail: []string{err.Error()}}}
}

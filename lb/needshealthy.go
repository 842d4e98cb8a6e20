package lb

import (
	"slices"
	"time"
)

// A NeedsHealthy is a backend that an edit may only change while each version with
// traffic has a healthy instance.
type NeedsHealthy struct {
	Backend Backend // as the edit makes it
	Edit    int     // index of the edit
	Wait    time.Duration
}

// NeedHealthy lists what several edits need: each dynamic backend that a frontend leads to
// and that gets another service or other versions, and each that is switched. Edits that
// are forced need nothing. An edit that cannot be made ends the list.
func (in Intent) NeedHealthy(edits []Edit) []NeedsHealthy {
	now := in.Clone()
	var routes routes
	var out []NeedsHealthy
	for i, e := range edits {
		before := now.Backends[keyOf(e.ID())]
		if e.mayNeedHealthy(before) {
			if routes == nil {
				routes = routesOf(now)
			}
			b, isNeeded := wanted(now, e, routes)
			if isNeeded {
				out = append(out, NeedsHealthy{Backend: b, Edit: i, Wait: e.Wait})
			}
		}
		if applyEdit(now, e) != nil {
			return out
		}
		routes.follow(e)
	}
	return out
}

// mayNeedHealthy reports whether an edit gives a backend other members.
func (e Edit) mayNeedHealthy(before Backend) bool {
	switch {
	case e.Force:
		return false
	case e.Switch != nil:
		return true
	case e.Backend == nil || e.Backend.Type != "dynamic":
		return false
	}
	isSame := before.Type == "dynamic" && before.Service == e.Backend.Service && slices.Equal(before.Split(), e.Backend.Split())
	return !isSame
}

// wanted is the backend as an edit makes it, and whether it needs a healthy instance.
func wanted(in Intent, e Edit, routes routes) (Backend, bool) {
	if e.Switch != nil {
		b, err := in.Switched(*e.Switch)
		return b, err == nil
	}
	return *e.Backend, routes.lead(e.Backend.Key)
}

// routesOf are the backends that each frontend leads to.
type routes map[Name][]Name

func routesOf(in Intent) routes {
	out := routes{}
	for key, f := range in.Frontends {
		out[key] = f.AllTargets()
	}
	return out
}

// follow brings the routes up to date after an edit.
func (r routes) follow(e Edit) {
	switch {
	case r == nil:
	case e.Frontend != nil:
		r[e.Frontend.Key] = e.Frontend.AllTargets()
	case e.Delete == (Frontend{Key: keyOf(e.Delete)}).ID():
		delete(r, keyOf(e.Delete))
	}
}

// lead reports whether a frontend leads to a backend.
func (r routes) lead(backend Name) bool {
	for _, targets := range r {
		if slices.Contains(targets, backend) {
			return true
		}
	}
	return false
}

// Concerns lists the backends that an edit affects: the one that is put or switched, or those that
// the frontend leads to.
func (e Edit) Concerns() []Name {
	switch {
	case e.Backend != nil:
		return []Name{e.Backend.Key}
	case e.Switch != nil:
		return []Name{e.Switch.Backend}
	case e.Frontend != nil:
		return e.Frontend.AllTargets()
	}
	return nil
}

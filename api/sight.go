package api

import (
	"slices"
	"strings"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/lb"
)

// hidden stands for a name that a caller does not see.
const hidden = "_hidden_"

// A sight filters values for a caller whose grant hides objects. It is pure: each method returns
// the value as the caller may see it, and does not change its argument. What is hidden in a text
// must not depend on words that the caller has chosen, or the caller could find out which names
// exist.
type sight struct{ grant auth.Grant }

func (s sight) seesBackend(key lb.Name) bool { return s.grant.Sees(lb.Backend{Key: key}.ID()) }

// seesService reports whether a service is seen: by a pattern, or because a backend that
// is seen uses it.
func (s sight) seesService(service lb.Name, in lb.Intent) bool {
	if s.grant.Sees(serviceID(service)) {
		return true
	}
	for _, b := range in.Backends {
		if b.Service == service && s.seesBackend(b.Key) {
			return true
		}
	}
	return false
}

// services are the services that are seen.
func (s sight) services(in lb.Intent) func(lb.Name) bool {
	used := map[lb.Name]bool{}
	for _, b := range in.Backends {
		if s.seesBackend(b.Key) {
			used[b.Service] = true
		}
	}
	return func(name lb.Name) bool { return name != "" && (used[name] || s.grant.Sees(serviceID(name))) }
}

// intent is the objects that are seen, without the names of others.
func (s sight) intent(in lb.Intent) lb.Intent {
	out, names := lb.NewIntent(), s.hiddenNames(in)
	out.Revision = in.Revision
	for _, o := range in.Objects() {
		if s.grant.Sees(o.ID()) {
			out.Put(s.object(o, names))
		}
	}
	return out
}

// object is an object that is seen, without the names of others.
func (s sight) object(o lb.Object, names nameSet) lb.Object {
	return lb.Match(o,
		func(f lb.Frontend) lb.Object { return s.frontend(f, names) },
		func(b lb.Backend) lb.Object { return s.backend(b, names) },
		func(section lb.Section) lb.Object {
			section.Natives = s.lines(section.Natives, names)
			return section
		},
		func(c lb.Certificate) lb.Object { return c },
	)
}

func (s sight) frontend(f lb.Frontend, names nameSet) lb.Frontend {
	if f.Backend != "" && !s.seesBackend(f.Backend) {
		f.Backend = hidden
	}
	f.Rules = slices.Clone(f.Rules)
	for i := range f.Rules {
		if !s.seesBackend(f.Rules[i].Backend) {
			f.Rules[i].Backend = hidden
		}
	}
	f.Pools = slices.Clone(f.Pools)
	for i, p := range f.Pools {
		if !s.seesBackend(p) {
			f.Pools[i] = hidden
		}
	}
	if names[string(f.Register)] {
		f.Register = hidden
	}
	if f.TLS != nil {
		tls := *f.TLS
		tls.Certificates = slices.Clone(tls.Certificates)
		for i, name := range tls.Certificates {
			tls.Certificates[i] = s.certificate(name)
		}
		tls.Default, tls.ClientCA = s.certificate(tls.Default), s.certificate(tls.ClientCA)
		f.TLS = &tls
	}
	f.Natives = s.lines(f.Natives, names)
	return f
}

// certificate is the name of a certificate, if that is seen.
func (s sight) certificate(name lb.Name) lb.Name {
	if name == "" || s.grant.Sees(lb.Certificate{Key: name}.ID()) {
		return name
	}
	return hidden
}

func (s sight) backend(b lb.Backend, names nameSet) lb.Backend {
	if names.in(b.Balance) { // which may be an expression
		b.Balance = "hash " + hidden
	}
	if b.Transport.TLS != nil {
		tls := *b.Transport.TLS
		if tls.Verify != lb.VerifySystem && tls.Verify != lb.VerifyNone {
			tls.Verify = string(s.certificate(lb.Name(tls.Verify)))
		}
		tls.Certificate = s.certificate(tls.Certificate)
		b.Transport.TLS = &tls
	}
	b.Natives = s.lines(b.Natives, names)
	return b
}

// lines are raw lines, with a comment in the place of those that name what is not seen.
func (s sight) lines(list []lb.RawLine, names nameSet) []lb.RawLine {
	out := slices.Clone(list)
	for i, line := range out {
		hides := names.in(string(line))
		for _, target := range (lb.Frontend{Natives: list[i : i+1]}).AllTargets() {
			hides = hides || !s.seesBackend(target)
		}
		if hides {
			out[i] = "# " + hidden
		}
	}
	return out
}

// snapshot is what is known of the services that are seen.
func (s sight) snapshot(in lb.Intent, snap lb.Snapshot) lb.Snapshot {
	sees := s.services(in)
	out := lb.Snapshot{Services: map[lb.Name]lb.Service{}, Unanswered: map[lb.Name]string{}}
	for name, service := range snap.Services {
		if sees(name) {
			out.Services[name] = service
		}
	}
	for name, why := range snap.Unanswered {
		if sees(name) {
			out.Unanswered[name] = why
		}
	}
	out.Overrides = lb.NewOverrides(slices.DeleteFunc(slices.Clone(snap.Overrides.All()), func(o lb.Override) bool { return !s.seesBackend(o.Backend) }))
	return out
}

// status is the status of the node without what it says of other objects.
func (s sight) status(in lb.Intent, status lb.Status) lb.Status {
	sees := s.services(in)
	if status.Problem != "" {
		status.Problem = "the newest configuration is not in effect"
	}
	if status.HAProxy.Lost != "" {
		status.HAProxy.Lost = "a socket does not lead to HAProxy any more"
	}
	status.Warnings = slices.DeleteFunc(slices.Clone(status.Warnings), func(w string) bool {
		id, _, _ := strings.Cut(w, " ")
		return !strings.Contains(id, "/") || !s.grant.Sees(strings.TrimSuffix(id, ":")) || s.namesHidden(w)
	})
	status.Empty = slices.DeleteFunc(slices.Clone(status.Empty), func(e lb.EmptyBackend) bool { return !s.grant.Sees(e.ID) })
	for i := range status.Empty {
		status.Empty[i].RoutedBy = slices.DeleteFunc(slices.Clone(status.Empty[i].RoutedBy), func(id string) bool { return !s.grant.Sees(id) })
	}
	status.Discovery = slices.DeleteFunc(slices.Clone(status.Discovery), func(d lb.ServiceStatus) bool { return !sees(d.Service) })
	return status
}

// event is an event about an object that is seen; false: it is about something else.
func (s sight) event(in lb.Intent, e activity.Event) (activity.Event, bool) {
	kind, rest, _ := strings.Cut(e.Object.ID, "/")
	key, _, _ := strings.Cut(rest, "/")
	switch {
	case slices.Contains(lb.Kinds(), lb.Kind(kind)):
		if !s.grant.Sees(kind + "/" + key) {
			return e, false
		}
	case kind == "service", kind == "": // a member's id is /SERVICE/VERSION/HOST/PORT
		if key == "" || !s.seesService(lb.Name(key), in) {
			return e, false
		}
	case kind == "configuration": // several objects, of which the lines of Diff name one each
		diff := slices.DeleteFunc(slices.Clone(e.Diff), s.namesHidden)
		if len(diff) == 0 {
			return e, false
		}
		if len(diff) < len(e.Diff) {
			e.Message = ""
		}
	default:
		return e, false
	}
	e.Diff = slices.DeleteFunc(slices.Clone(e.Diff), s.namesHidden)
	if e.Verb == activity.BackendSwitched { // SERVICE VERSION → SERVICE VERSION
		e.Diff = slices.DeleteFunc(e.Diff, func(line string) bool { return !s.seesServices(line, in) })
	}
	e.Reasons = slices.DeleteFunc(slices.Clone(e.Reasons), s.namesHidden)
	if e.Error != "" { // what HAProxy says may name any line of the file
		e.Error = hidden
	}
	return e, true
}

// seesServices reports whether both services of a switch are seen.
func (s sight) seesServices(line string, in lb.Intent) bool {
	for side := range strings.SplitSeq(line, " → ") {
		service, _, _ := strings.Cut(side, " ")
		if !s.seesService(lb.Name(service), in) {
			return false
		}
	}
	return true
}

// revision is what a revision did to objects that are seen; false: nothing.
func (s sight) revision(in lb.Intent, r lb.Revision) (lb.Revision, bool) {
	names := s.hiddenNames(in)
	changes := r.Changes
	r.Changes = nil
	for _, c := range changes {
		if !s.grant.Sees(c.ID) {
			_, key, _ := strings.Cut(c.ID, "/")
			names[key] = true
		}
	}
	for _, c := range changes {
		if s.grant.Sees(c.ID) {
			r.Changes = append(r.Changes, lb.ObjectChange{ID: c.ID, Before: s.object(c.Before, names), After: s.object(c.After, names)})
		}
	}
	if len(r.Changes) < len(changes) {
		r.Message = "" // it may be about the others
	}
	return r, len(r.Changes) > 0
}

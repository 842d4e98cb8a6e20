package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/auth"
	"thalassa/lb"
)

// limits check the changes of a caller whose grant is limited to objects. need is the role for the
// changes.
type limits struct {
	grant auth.Grant
	need  auth.Role
}

// judge refuses a change of the intent that affects anything outside of the limits: an object, or a
// name in an object. Callers with limits may not write raw lines, because these may name anything.
func (l limits) judge(before, next lb.Intent) error {
	for _, c := range before.Changes(next) {
		if err := l.judgeChange(before, c); err != nil {
			return err
		}
	}
	return nil
}

func (l limits) judgeChange(in lb.Intent, c lb.ObjectChange) error {
	if !l.grant.Allows(l.need, c.ID) {
		return outside(l.grant, "a change of "+c.ID)
	}
	if c.After == nil { // it is removed
		return lb.Match(c.Before, l.judgeTargets, nil, l.refuseSection, nil)
	}
	return lb.Match(c.After,
		func(after lb.Frontend) error {
			former, _ := c.Before.(lb.Frontend)
			return l.judgeFrontend(in, former, after)
		},
		func(after lb.Backend) error {
			former, _ := c.Before.(lb.Backend)
			return l.judgeBackend(in, former, after)
		},
		l.refuseSection,
		nil, // a certificate names no object
	)
}

// refuseSection refuses any change of a section: its lines may name anything, and affect other
// objects.
func (l limits) refuseSection(s lb.Section) error {
	return outside(l.grant, "a change of "+s.ID())
}

// judgeFrontend also checks the former frontend: removing a backend from a frontend changes what
// that backend gets.
func (l limits) judgeFrontend(in lb.Intent, former, after lb.Frontend) error {
	var fe lb.FieldErrors
	l.addTargets(&fe, after)
	if after.Register != "" && after.Register != former.Register && !l.namesService(after.Register, in) {
		fe.Add("register.name", l.named(after.Register)+"is a service outside of your limits", l.expected())
	}
	if after.RawBind != former.RawBind {
		fe.Add("bind", "is a whole line of haproxy.cfg, and your role is limited to some objects", "addresses without options")
	}
	l.addDefaults(&fe, former.Defaults, after.Defaults)
	l.addRawLines(&fe, former.Natives, after.Natives)
	if err := fe.Err(); err != nil {
		return refusal(fe, l.grant)
	}
	return l.judgeTargets(former)
}

// judgeTargets refuses to change a frontend that leads to something outside of the limits.
func (l limits) judgeTargets(f lb.Frontend) error {
	for _, target := range f.AllTargets() {
		if !l.grant.Allows(l.need, lb.Backend{Key: target}.ID()) {
			return forbidden(f.ID() + " also leads to a backend outside of your limits (" + l.grant.String() + ")")
		}
	}
	return nil
}

// addCertificates notes the certificates outside of the limits that an object names, beside some.
func (l limits) addCertificates(fe *lb.FieldErrors, o lb.Object, former ...lb.CertificateUse) {
	for _, use := range lb.CertificateUses(o) {
		if slices.ContainsFunc(former, func(f lb.CertificateUse) bool { return f.Name == use.Name }) {
			continue
		}
		if !l.grant.Allows(l.need, lb.Certificate{Key: use.Name}.ID()) {
			fe.Add(use.Path, l.named(use.Name)+"is a certificate outside of your limits", l.expected())
		}
	}
}

func (l limits) addTargets(fe *lb.FieldErrors, f lb.Frontend) {
	add := func(path string, target lb.Name) {
		if !l.grant.Allows(l.need, lb.Backend{Key: target}.ID()) {
			fe.Add(path, l.named(target)+"is a backend outside of your limits", l.expected())
		}
	}
	for i, r := range f.Rules {
		add(fmt.Sprintf("rules[%d].backend", i), r.Backend)
	}
	if f.Backend != "" {
		add("backend", f.Backend)
	}
	for i, p := range f.Pools {
		add(fmt.Sprintf("pools[%d]", i), p)
	}
	l.addCertificates(fe, f)
}

func (l limits) judgeBackend(in lb.Intent, former, after lb.Backend) error {
	var fe lb.FieldErrors
	if after.Service != "" && after.Service != former.Service && !l.namesService(after.Service, in) {
		fe.Add("name", l.named(after.Service)+"is a service outside of your limits", l.expected())
	}
	if after.Balance != former.Balance && strings.HasPrefix(after.Balance, "hash ") {
		fe.Add("balance", "has an expression, which may name anything, and your role is limited to some objects", "an algorithm without an expression")
	}
	l.addCertificates(&fe, after, lb.CertificateUses(former)...)
	l.addDefaults(&fe, former.Defaults, after.Defaults)
	l.addRawLines(&fe, former.Natives, after.Natives)
	if fe.Err() != nil {
		return refusal(fe, l.grant)
	}
	return nil
}

func (l limits) addRawLines(fe *lb.FieldErrors, former, after []lb.RawLine) {
	if !slices.Equal(former, after) {
		fe.Add("natives", "are lines of haproxy.cfg, and your role is limited to some objects", "the raw lines that the object has")
	}
}

// addDefaults refuses another section of defaults, because its raw lines would take effect.
func (l limits) addDefaults(fe *lb.FieldErrors, former, after lb.Name) {
	if after != former {
		fe.Add("defaults", "is a section of raw lines, and your role is limited to some objects", "the defaults that the object has")
	}
}

// named quotes a name that a refusal is about. Who does not see it may not have written it either:
// others may have put it into a draft.
func (l limits) named(name lb.Name) string {
	if l.grant.HidesRest() {
		return ""
	}
	return strconv.Quote(string(name)) + " "
}

func (l limits) expected() string { return "one of " + fmt.Sprint(l.grant.Patterns()) }

// refusal is the error of a change with fields outside of the limits.
func refusal(fe lb.FieldErrors, grant auth.Grant) error {
	f := forbidden("the change names something outside of your limits (" + grant.String() + "): " + fe.Err().Error())
	if invalid, ok := errors.AsType[*lb.InvalidError](fe.Err()); ok {
		f.Fields = invalid.Fields
	}
	return f
}

// namesService reports whether a backend within the limits may use a service: a pattern
// names it, or such a backend uses it already.
func (l limits) namesService(service lb.Name, in lb.Intent) bool {
	if l.grant.Allows(l.need, serviceID(service)) {
		return true
	}
	for _, b := range in.Backends {
		if b.Service == service && l.grant.Allows(l.need, b.ID()) {
			return true
		}
	}
	return false
}

// hasService reports whether a service is within the limits: a pattern names it, or all
// backends that use it are.
func (l limits) hasService(service lb.Name, in lb.Intent) bool {
	used := false
	for _, b := range in.Backends {
		if b.Service != service {
			continue
		}
		if used = true; !l.grant.Allows(l.need, b.ID()) {
			return l.grant.Allows(l.need, serviceID(service))
		}
	}
	return used || l.grant.Allows(l.need, serviceID(service))
}

func serviceID(service lb.Name) string { return "service/" + string(service) }

package api

import (
	"context"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
)

// Callers who do not see all names send back what they have got: "_hidden_" instead of a name, and
// the entity tag of an object with that. What they mean is the name that is there. Whoever sends
// that name itself has guessed it, and must get the answer that any other name gets.

// meant is an edit as the caller of a context means it.
func meant(ctx context.Context, a *Agent, e lb.Edit) (lb.Edit, error) {
	s, blind := sightOf(ctx)
	if !blind {
		return e, nil
	}
	in, err := a.configured(ctx)
	if err != nil {
		return e, err
	}
	return s.meant(in, e), nil
}

// conditionsOf are those of a request that changes the object with an id, as the caller means them.
func conditionsOf(c echo.Context, a *Agent, id string) (ifMatch []string, ifNew bool, err error) {
	if ifMatch, ifNew, err = conditions(c.Request()); err != nil || len(ifMatch) == 0 {
		return ifMatch, ifNew, err
	}
	e, err := meant(c.Request().Context(), a, lb.Edit{Delete: id, IfMatch: ifMatch})
	return e.IfMatch, ifNew, err
}

// meant is an edit as the caller means it.
func (s sight) meant(in lb.Intent, e lb.Edit) lb.Edit {
	stored := in.Object(e.ID())
	if stored == nil || !s.grant.Sees(e.ID()) {
		return e
	}
	shown := s.object(stored, s.hiddenNames(in))
	e.IfMatch = slices.Clone(e.IfMatch)
	for i := range e.IfMatch {
		e.IfMatch[i] = swapped(e.IfMatch[i], shown.ETag(), stored.ETag())
	}
	switch {
	case e.Frontend != nil:
		f := *e.Frontend
		before, now := shown.(lb.Frontend), stored.(lb.Frontend) //nolint:forcetypeassert // the id has the kind
		f.Register = swapped(f.Register, before.Register, now.Register)
		f.Natives = swappedLines(f.Natives, before.Natives, now.Natives)
		e.Frontend = &f
	case e.Backend != nil:
		b := *e.Backend
		before, now := shown.(lb.Backend), stored.(lb.Backend) //nolint:forcetypeassert // the id has the kind
		b.Balance = swapped(b.Balance, before.Balance, now.Balance)
		b.Natives = swappedLines(b.Natives, before.Natives, now.Natives)
		if b.Transport.TLS != nil && before.Transport.TLS != nil {
			tls, before, now := *b.Transport.TLS, before.Transport.TLS, now.Transport.TLS
			tls.Verify = swapped(tls.Verify, before.Verify, now.Verify)
			tls.Certificate = swapped(tls.Certificate, before.Certificate, now.Certificate)
			b.Transport.TLS = &tls
		}
		e.Backend = &b
	}
	return e
}

// swapped is what is stored for what is shown of it, and the other way round; anything else is
// what it is.
func swapped[T comparable](value, shown, stored T) T {
	switch value {
	case shown:
		return stored
	case stored:
		return shown
	}
	return value
}

// swappedLines is swapped for raw lines, which are the same all together or not at all.
func swappedLines(lines, shown, stored []lb.RawLine) []lb.RawLine {
	switch {
	case slices.Equal(lines, shown):
		return stored
	case slices.Equal(lines, stored):
		return shown
	}
	return lines
}

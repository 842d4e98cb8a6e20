package lb_test

import (
	"errors"
	"testing"
	"time"

	"thalassa/lb"
)

func backendEdit(key lb.Name, mode string) lb.Edit {
	return lb.Edit{Backend: &lb.Backend{Key: key, Type: "static", Mode: mode, Balance: "roundrobin"}}
}

func frontendEdit(key, backend lb.Name, bind string) lb.Edit {
	b, err := lb.ParseBind(bind)
	if err != nil {
		panic(err)
	}
	return lb.Edit{Frontend: &lb.Frontend{Key: key, Mode: "http", Backend: backend, Binds: []lb.Bind{b}}}
}

func TestEditsOfASetHoldTogether(t *testing.T) {
	base, err := lb.Intent{}.ApplyAll([]lb.Edit{
		frontendEdit("web", "live", "*:80"), backendEdit("live", "http"), backendEdit("spare", "http"),
	}) // the frontend leads to a backend that comes after it
	if err != nil {
		t.Fatal(err)
	}
	tag := base.Backends["spare"].ETag()
	for name, c := range map[string]struct {
		edits []lb.Edit
		index int // of the edit that is wrong; -1: none
		want  error
	}{
		"delete both in the wrong order": {[]lb.Edit{{Delete: "backend/live"}, {Delete: "frontend/web"}}, -1, nil},
		"addresses change hands":         {[]lb.Edit{frontendEdit("web", "live", "*:81"), frontendEdit("other", "live", "*:80")}, -1, nil},
		"delete and make again":          {[]lb.Edit{{Delete: "backend/live"}, backendEdit("live", "http")}, -1, nil},
		"a condition on an earlier edit": {[]lb.Edit{{Delete: "backend/spare"}, {Delete: "backend/spare", IfMatch: []string{tag}}}, 1, new(lb.PreconditionError)},
		"what an edit has made":          {[]lb.Edit{backendEdit("new", "http"), {Delete: "backend/new", IfMatch: []string{"*"}}}, -1, nil},
		"still routed to":                {[]lb.Edit{backendEdit("x", "http"), {Delete: "backend/live"}}, 1, new(lb.ConflictError)},
		"routed to nothing":              {[]lb.Edit{backendEdit("x", "http"), frontendEdit("api", "nobody", "*:90")}, 1, new(lb.InvalidError)},
		"an address twice":               {[]lb.Edit{backendEdit("x", "http"), frontendEdit("api", "live", "*:80")}, 1, new(lb.ConflictError)},
		"another mode":                   {[]lb.Edit{backendEdit("x", "http"), backendEdit("live", "tcp")}, 1, new(lb.InvalidError)},
		"nothing to delete":              {[]lb.Edit{backendEdit("x", "http"), {Delete: "frontend/none"}}, 1, new(lb.NotFoundError)},
		"a switch of a static one":       {[]lb.Edit{{Switch: &lb.Switch{Backend: "live", Version: "2"}}}, 0, new(lb.ConflictError)},
	} {
		before := base.Revision
		next, err := base.ApplyAll(c.edits)
		if c.index < 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		about, ok := errors.AsType[*lb.EditError](err)
		if !ok || about.Index != c.index {
			t.Errorf("%s: error %v, want one about edit %d", name, err, c.index)
			continue
		}
		if !sameKind(about.Err, c.want) {
			t.Errorf("%s: error %T %v, want %T", name, about.Err, about.Err, c.want)
		}
		if base.Revision != before || len(base.Backends) != 2 || len(base.Frontends) != 1 || len(next.Frontends) > 2 {
			t.Errorf("%s: the base has changed", name)
		}
	}
}

func sameKind(err, want error) bool {
	switch want.(type) { //nolint:errorlint // values of the table
	case *lb.PreconditionError:
		return errors.As(err, new(*lb.PreconditionError))
	case *lb.ConflictError:
		return errors.As(err, new(*lb.ConflictError))
	case *lb.InvalidError:
		return errors.As(err, new(*lb.InvalidError))
	default:
		return errors.As(err, new(*lb.NotFoundError))
	}
}

func TestASingleEditIsNotNumbered(t *testing.T) {
	_, err := lb.Intent{}.Apply(lb.Edit{Delete: "backend/x"})
	if err == nil || errors.As(err, new(*lb.EditError)) {
		t.Error(err)
	}
}

func TestWhatASetNeedsIsJudgedEditByEdit(t *testing.T) {
	shop := func(version lb.Version) lb.Edit {
		return lb.Edit{Backend: &lb.Backend{Key: "live", Type: "dynamic", Service: "shop", Version: version, Mode: "http", Balance: "roundrobin"}, Wait: time.Second}
	}
	for name, c := range map[string]struct {
		edits []lb.Edit
		want  []int
	}{
		"routed before":            {[]lb.Edit{frontendEdit("web", "live", "*:80"), shop("1")}, []int{1}},
		"routed afterwards":        {[]lb.Edit{shop("1"), frontendEdit("web", "live", "*:80")}, nil},
		"the same again":           {[]lb.Edit{frontendEdit("web", "live", "*:80"), shop("1"), shop("1")}, []int{1}},
		"not routed to any more":   {[]lb.Edit{frontendEdit("web", "live", "*:80"), {Delete: "frontend/web"}, shop("1")}, nil},
		"a switch needs it always": {[]lb.Edit{shop("1"), lb.Switch{Backend: "live", Version: "2"}.Edit()}, []int{1}},
		"a forced switch":          {[]lb.Edit{shop("1"), lb.Switch{Backend: "live", Version: "2", Force: true}.Edit()}, nil},
	} {
		var got []int
		for _, need := range (lb.Intent{}).NeedHealthy(c.edits) {
			got = append(got, need.Edit)
		}
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: edits %v, want %v", name, got, c.want)
		}
	}
}

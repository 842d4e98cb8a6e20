package lb_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"thalassa/lb"
)

func TestParseSplit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]lb.Split{
		"1.0.0=90,1.1.0=10":    {{Version: "1.0.0", Weight: 90}, {Version: "1.1.0", Weight: 10}},
		"2=1, 1+b=10000 ,3=0":  {{Version: "1+b", Weight: 10000}, {Version: "2", Weight: 1}, {Version: "3", Weight: 0}},
		"1.0.0~rc1=100":        {{Version: "1.0.0~rc1", Weight: 100}},
		"a=0,b=0,c=0,d=0,e=10": {{Version: "a"}, {Version: "b"}, {Version: "c"}, {Version: "d"}, {Version: "e", Weight: 10}},
	} {
		got, err := lb.ParseSplit(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
			continue
		}
		if again, err := lb.ParseSplit(got.String()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: written as %s, and read as %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{
		"", "1.0.0", "1.0.0=", "1.0.0=x", "1.0.0=-1", "1.0.0=10001", "1.0.0=1.5", "=1", "a b=1", "1=0", "1=0,2=0", "1=1,1=1", "1=1,", "1=1=1",
		strings.Repeat("v=1,", 3) + "v=1", "1=1,2=1,3=1,4=1,5=1,6=1,7=1,8=1,9=1,10=1,11=1,12=1,13=1,14=1,15=1,16=1,17=1",
	} {
		if got, err := lb.ParseSplit(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestNewSplit(t *testing.T) {
	t.Parallel()
	got, err := lb.NewSplit(lb.Share{Version: "2", Weight: 1}, lb.Share{Version: "1", Weight: 0})
	if err != nil || got.String() != "1=0,2=1" {
		t.Errorf("%v, %v", got, err)
	}
	for _, shares := range [][]lb.Share{nil, {{Version: "1"}}, {{Version: "1", Weight: -1}}, {{Version: "1", Weight: 10001}}, {{Version: "1", Weight: 1}, {Version: "1", Weight: 2}}} {
		if got, err := lb.NewSplit(shares...); err == nil {
			t.Errorf("%v is taken as %v", shares, got)
		}
	}
}

func TestSwitched(t *testing.T) {
	t.Parallel()
	in := intent(t)
	both := lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}}
	b, err := in.Switched(lb.Switch{Backend: "live", Versions: both})
	if err != nil || b.Service != "shop" || b.Selection() != "1=1,2=1" {
		t.Errorf("%+v, %v", b, err)
	}
	if in.Backends["live"].Selection() != "1" {
		t.Error("the intent has changed")
	}
	in.Backends["live"] = b
	b, err = in.Switched(lb.Switch{Backend: "live", Service: "toys", Version: "3"})
	if err != nil || b.Service != "toys" || b.Selection() != "3" || b.Versions != nil {
		t.Errorf("a plain version does not end the split: %+v, %v", b, err)
	}
	if _, err := in.Switched(lb.Switch{Backend: "none", Version: "3"}); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("no backend: %v", err)
	}
	if _, err := in.Switched(lb.Switch{Backend: "api", Version: "3"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("a static backend: %v", err)
	}
	b.Balance = "first"
	in.Backends["live"] = b
	if _, err := in.Switched(lb.Switch{Backend: "live", Versions: both}); !reflect.DeepEqual(paths(err), []string{"versions"}) {
		t.Errorf("balance first: %v", err)
	}
	if _, err := in.Switched(lb.Switch{Backend: "live", Version: "3"}); err != nil {
		t.Errorf("balance first and a plain version: %v", err)
	}
}

func TestMissingVersions(t *testing.T) {
	t.Parallel()
	service := snapshot(
		instance(1), instance(2, func(i *lb.Instance) { i.Version, i.Healthy = "2", false }), instance(3, func(i *lb.Instance) { i.Version = "4" }),
	).Services["shop"]
	s := lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}, {Version: "3", Weight: 1}, {Version: "5", Weight: 0}}
	if got := service.Missing(s); !reflect.DeepEqual(got, []lb.Version{"2", "3"}) {
		t.Errorf("missing %v", got)
	}
	if got := service.Missing(lb.Split{{Version: "4", Weight: 7}}); len(got) != 0 {
		t.Errorf("missing %v", got)
	}
	// A version that is held alone counts as long as there is nothing better.
	service.Instances[2].Held = true
	if got := service.Missing(lb.Split{{Version: "4", Weight: 7}}); !reflect.DeepEqual(got, []lb.Version{"4"}) {
		t.Errorf("held, and missing %v", got)
	}
	service.Instances[0].Held = true
	if got := service.Missing(lb.Split{{Version: "4", Weight: 7}}); len(got) != 0 {
		t.Errorf("all are held, and missing %v", got)
	}
}

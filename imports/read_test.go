package imports_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/imports"
	"thalassa/lb"
)

const plain = "defaults\n  mode http\nfrontend f\n  bind *:80\n  default_backend b\nbackend b\n  server s 10.0.0.1:80 check\n"

func TestWhatCannotBeCarriedOverIsRefusedByLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", "config: is empty"},
		"nothing to carry":    {"global\n  daemon\n  pidfile /run/haproxy.pid\n", "config: has no line that is carried over"},
		"too many lines":      {strings.Repeat("x\n", 50_001), "config: has 50001 lines, expected at most 50000"},
		"ten megabytes":       {strings.Repeat("# comment\n", 1<<20), "config: has 10485760 bytes, expected at most 2097152"},
		"binary":              {"\x7fELF\x02\x01\x01\x00\x00", "line 1: holds a zero byte"},
		"binary without zero": {plain + "\x01\x02", "line 8: holds a control character"},
		"an open quote":       {plain + "  http-request set-header X \"abc\n", "line 8: has a quote without its other half"},
		"a long line":         {plain + "  # " + strings.Repeat("x", 1<<20), "line 8: is longer than 60 KiB"},
		"environment":         {plain + "  http-request set-header X \"${HOME}\"\n", "line 8: uses the variable HOME of the environment"},
		"environment in bind": {"defaults\n  mode http\nfrontend f\n  bind :$PORT\n  http-request deny\n", "line 4: uses the variable PORT of the environment"},
		"conditional":         {plain + ".if defined(X)\nfrontend g\n  bind *:81\n.endif\n", "line 8: is a condition of HAProxy's preprocessor: .if defined(X)"},
		"no section":          {"  bind *:80\n", "line 1: is outside of any section"},
		"processes":           {"global\n  nbproc 4\n" + plain, "line 2: asks for several processes"},
		"code":                {"global\n  lua-load /x.lua\n" + plain, "line 2: runs code in HAProxy"},
		"setenv":              {"global\n  setenv A b\n" + plain, "line 2: sets a variable of the environment"},
		"twice":               {plain + "backend b\n", "line 8: opens the section of line 6 for the second time"},
		"no name":             {plain + "backend\n", "line 8: has no name"},
		"an unknown section":  {plain + "traces\n  trace h1 sink stdout\n", "line 8: opens a section of a kind that is not carried over"},
		"an unknown mode":     {plain + "backend l\n  mode log\n", `line 9: mode: "log" is not`},
		"unknown defaults":    {plain + "backend x from nowhere\n", `line 8: begins with the defaults "nowhere"`},
		"peers":               {plain + "peers p\n  peer a 10.0.0.1:1\n  peer b 10.0.0.2:1\n", "line 8: has no peer with the name of this node, left"},
		"our own peers":       {"global\n  localpeer a\n" + plain + "peers thalassa\n  peer a 10.0.0.1:1\n", "line 10: name: peers thalassa is a section of Thalassa's own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			im, err := imports.Read([]byte(c.text), lb.Intent{}, imports.Options{Hostname: "left"})
			if !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 4000 || len(im.Edits) > 0 {
				t.Errorf("got %.500v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAllRefusedLinesAreNamed(t *testing.T) {
	t.Parallel()
	_, err := imports.Read([]byte("global\n  nbproc 2\n  setenv A b\n"+plain+".if true\n.endif\n"), lb.Intent{}, imports.Options{})
	invalid, ok := errors.AsType[*lb.InvalidError](err)
	if !ok {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range invalid.Fields {
		lines = append(lines, f.Path)
	}
	if want := []string{"line 2", "line 3", "line 11", "line 12"}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// Line breaks and the byte order mark of other editors mean nothing.
func TestTextsOfOtherEditors(t *testing.T) {
	t.Parallel()
	want, err := imports.Read([]byte(plain), lb.Intent{}, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := imports.Read([]byte(strings.ReplaceAll(plain, "\n", "\r\n")), lb.Intent{}, imports.Options{})
	if err != nil || fmt.Sprint(got.Report) != fmt.Sprint(want.Report) {
		t.Errorf("%v, %+v, want %+v", err, got.Report, want.Report)
	}
	marked, err := imports.Read([]byte("\ufeff"+plain), lb.Intent{}, imports.Options{})
	if err != nil || fmt.Sprint(marked.Report) != fmt.Sprint(want.Report) {
		t.Errorf("with a byte order mark: %v, %+v", err, marked.Report)
	}
}

func TestReportSaysWhatBecameOfEachLine(t *testing.T) {
	t.Parallel()
	text := `# a comment
global
  daemon
  maxconn 100
  crt-base /etc/ssl
defaults
  mode http
  timeout client 1s
frontend f
  bind *:443 ssl crt a.pem
  acl api path_beg /api
  acl office src 10.0.0.0/8
  http-request deny unless office
  use_backend b if api
  default_backend b
backend b
  option httpchk GET /up
  server s1 10.0.0.1:80 check inter 1s
  server s2 10.0.0.2:80 check inter 1s
backend c
  server s1 10.0.0.1:80
`
	im, err := imports.Read([]byte(text), lb.Intent{}, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, 0, len(im.Report.Lines))
	for _, l := range im.Report.Lines {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", l.Number, l.Outcome, l.Object, l.Field)))
	}
	want := []string{
		"3 replaced", "4 raw section/global natives[0]", "5 raw section/global natives[1]",
		"6 raw section/defaults/imported", "7 raw section/defaults/imported natives[0]", "8 raw section/defaults/imported natives[1]",
		"9 field frontend/f key", "10 field frontend/f bind", "11 field frontend/f rules[0]", "12 raw frontend/f natives[0]",
		"13 raw frontend/f natives[1]", "14 field frontend/f rules[0]", "15 field frontend/f backend",
		"16 field backend/b key", "17 field backend/b health", "18 field backend/b members[0]", "19 field backend/b members[1]",
		"20 field backend/c key", "21 raw backend/c natives[0]",
	}
	if !slices.Equal(got, want) || im.Report.Comments != 1 {
		t.Errorf("%d comments\ngot  %q\nwant %q", im.Report.Comments, got, want)
	}
	in, err := lb.Intent{}.ApplyAll(im.Edits)
	if err != nil {
		t.Fatal(err)
	}
	if f := in.Frontends["f"]; f.RawBind != "bind *:443 ssl crt /etc/ssl/a.pem" || f.Defaults != "imported" || f.Rules[0].Operation != "path_beg" {
		t.Errorf("%+v", f)
	}
	if b := in.Backends["b"]; len(b.Members) != 2 || b.Health.URI != "/up" || b.CheckInterval().String() != "1s" {
		t.Errorf("%+v", b)
	}
}

func TestExistingObjectsAreReplacedOnDemand(t *testing.T) {
	t.Parallel()
	im, err := imports.Read([]byte(plain), lb.Intent{}, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now, err := lb.Intent{}.ApplyAll(im.Edits)
	if err != nil {
		t.Fatal(err)
	}
	again, err := imports.Read([]byte(plain), now, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if next, err := now.ApplyAll(again.Edits); err != nil || len(now.Changes(next)) > 0 {
		t.Errorf("the same file changes %v, %v", now.Changes(next), err)
	}
	other := strings.ReplaceAll(plain, "10.0.0.1", "10.0.0.2")
	if _, err := imports.Read([]byte(other), now, imports.Options{}); err == nil || !strings.Contains(err.Error(), "line 6: backend/b exists already") {
		t.Errorf("another file: %v", err)
	}
	replaced, err := imports.Read([]byte(other), now, imports.Options{Replace: true})
	if err != nil {
		t.Fatal(err)
	}
	if next, err := now.ApplyAll(replaced.Edits); err != nil || len(now.Changes(next)) != 1 {
		t.Errorf("replaced: %v, %v", now.Changes(next), err)
	}
}

func TestErrorsOfEditsNameLines(t *testing.T) {
	t.Parallel()
	im, err := imports.Read([]byte(plain+"  http-request set-header X y\n"), lb.Intent{}, imports.Options{})
	if err != nil {
		t.Fatal(err)
	}
	index := slices.IndexFunc(im.Edits, func(e lb.Edit) bool { return e.ID() == "backend/b" })
	blamed := im.Blame(&lb.EditError{Index: index, Err: &lb.InvalidError{Fields: []lb.FieldError{{Path: "natives[0]", Problem: "is bad"}}}})
	if blamed.Error() != "line 8: backend/b: natives[0]: is bad" {
		t.Error(blamed)
	}
}

// FuzzRead holds that no text makes an object with a raw line that leaves its section.
func FuzzRead(f *testing.F) {
	f.Add(plain)
	f.Add("listen l\n bind :1\n server a 1.2.3.4:5\nuserlist u\n user a password x\n")
	f.Fuzz(func(t *testing.T, text string) {
		im, err := imports.Read([]byte(text), lb.Intent{}, imports.Options{})
		if err != nil {
			return
		}
		for _, e := range im.Edits {
			for _, n := range rawLines(e) {
				if again, err := lb.ParseRawLine(string(n)); err != nil || again != n {
					t.Errorf("%q cannot be written again: %v", n, err)
				}
			}
		}
	})
}

func rawLines(e lb.Edit) []lb.RawLine {
	switch {
	case e.Frontend != nil:
		return e.Frontend.Natives
	case e.Backend != nil:
		return e.Backend.Natives
	}
	return e.Section.Natives
}

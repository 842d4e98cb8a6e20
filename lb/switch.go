package lb

import (
	"strconv"
	"time"
)

// MaxWait bounds how long a switch may wait for a healthy instance.
const MaxWait = 10 * time.Minute

// A SwitchSpec is a switch as written by a user, not yet checked.
type SwitchSpec struct {
	Service  string // empty: the one that the backend has
	Version  string
	Versions *SplitSpec // nil: Version alone
	Force    bool
	Wait     string // a duration such as "30s"; empty: none
}

// Parse checks a switch of the backend named key. The error is an *InvalidError that
// names every bad field as the node API does.
func (s SwitchSpec) Parse(key Name) (Switch, error) {
	var fe FieldErrors
	out := Switch{Backend: key, Force: s.Force}
	var err error
	if s.Service != "" {
		out.Service, err = ParseName(s.Service)
		fe.AddErr("name", err)
	}
	out.Version, out.Versions = parseSelection(&fe, s.Version, s.Versions)
	out.Wait, err = ParseWait(s.Wait)
	fe.AddErr("wait", err)
	return out, fe.Err()
}

// ParseWait accepts a duration between 0 and MaxWait; "" is 0.
func ParseWait(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > MaxWait {
		return 0, bad(strconv.Quote(s)+" is not a duration to wait", `a duration up to 10m, e.g. "30s"`)
	}
	return d, nil
}

// Switched is the backend after the switch s. Errors: *NotFoundError; *ConflictError for a static
// backend; *InvalidError for a split that its balance algorithm does not support.
func (in Intent) Switched(s Switch) (Backend, error) {
	b, ok := in.Backends[s.Backend]
	if !ok {
		return b, &NotFoundError{ID: Backend{Key: s.Backend}.ID()}
	}
	if b.Type != "dynamic" {
		return b, &ConflictError{ID: b.ID(), Reason: "is static: it lists its members itself and has no version to switch"}
	}
	b.Version, b.Versions = s.Version, s.Versions
	if s.Service != "" {
		b.Service = s.Service
	}
	var fe FieldErrors
	fe.AddErr("versions", b.checkWeighing())
	return b, fe.Err()
}

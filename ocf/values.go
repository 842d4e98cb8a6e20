package ocf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// noAgent is the agent_url of a node without a thalassa agent.
const noAgent = "none"

// values are the parsed parameters.
type values struct {
	config, binary, statsSocket, masterSocket, pidFile, startupLog string
	user, agentURL, checkURL                                       string
	openFiles                                                      uint64
	drain                                                          time.Duration
}

// parse parses the parameters. The values are usable even with an error: an invalid
// one has its default, so that HAProxy can be stopped.
func parse(given map[string]string) (values, error) {
	text := map[string]string{}
	for _, p := range parameters() {
		text[p.name] = p.fallback
	}
	for name, value := range given {
		if value != "" {
			text[name] = value
		}
	}
	if text["agent_url"] == noAgent {
		text["agent_url"] = ""
	}
	v := values{
		config: text["config"], binary: text["binary"], statsSocket: text["stats_socket"], masterSocket: text["master_socket"],
		pidFile: text["pidfile"], startupLog: text["startup_log"], user: text["user"], agentURL: text["agent_url"], checkURL: text["check_url"],
		drain: 5 * time.Second,
	}
	var problems []problem
	bad := func(name, format string, args ...any) {
		problems = append(problems, problem{name, fmt.Sprintf(format, args...)})
	}
	for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
		if !filepath.IsAbs(text[name]) {
			bad(name, "is not an absolute path: %q", text[name])
		}
	}
	for _, name := range []string{"agent_url", "check_url"} {
		if u, err := url.Parse(text[name]); text[name] != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			bad(name, "is not an HTTP URL: %q", text[name])
		}
	}
	if drain, err := parseTime(text["drain_time"]); err != nil {
		bad("drain_time", "%v", err)
	} else {
		v.drain = drain
	}
	files, err := strconv.ParseUint(text["open_files"], 10, 32)
	if err != nil {
		bad("open_files", "is not a number: %q", text["open_files"])
	}
	v.openFiles = files
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b problem) int { return strings.Compare(a.name, b.name) })
		return v, problemsError(problems)
	}
	return v, nil
}

// A problem is what is wrong with a parameter.
type problem struct{ name, what string }

// problemsError is the error for parameters, sorted by name.
type problemsError []problem

func (e problemsError) Error() string {
	texts := make([]string, len(e))
	for i, p := range e {
		texts[i] = p.name + ": " + p.what
	}
	return strings.Join(texts, "; ")
}

// CheckParameters validates parameters of the resource as the resource agent does, and
// refuses names that it does not have. The error is an *lb.InvalidError, whose paths are
// like "parameters.drain_time".
func CheckParameters(given map[string]string) error {
	var fe lb.FieldErrors
	names := ParameterNames()
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case !slices.Contains(names, name):
			fe.Add("parameters."+name, "is no parameter of HAProxy's resource agent", "one of "+strings.Join(names, ", "))
		case name == "generation":
			fe.Add("parameters."+name, "is set by rollouts", "no value")
		}
	}
	_, err := parse(given)
	if wrong, ok := errors.AsType[problemsError](err); ok {
		for _, p := range wrong {
			fe.Add("parameters."+p.name, p.what, "")
		}
	}
	return fe.Err()
}

// Defaults are the values of the parameters that a resource does not set.
func Defaults() map[string]string {
	out := map[string]string{}
	for _, p := range parameters() {
		out[p.name] = p.fallback
	}
	return out
}

// parseTime parses a time of Pacemaker: seconds, or a number with a unit.
func parseTime(text string) (time.Duration, error) {
	units := map[string]time.Duration{
		"": time.Second, "s": time.Second, "sec": time.Second, "ms": time.Millisecond, "msec": time.Millisecond, "m": time.Minute, "min": time.Minute,
	}
	number := strings.TrimRight(text, "secmin")
	unit, known := units[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil || !known || n > uint64(math.MaxInt64/max(unit, 1)) {
		return 0, fmt.Errorf("is not a time: %q, expected a number with one of the units %s", text, strings.Join(slices.Sorted(maps.Keys(units))[1:], ", "))
	}
	return time.Duration(n) * unit, nil
}

// ids returns the ids of a user by name or number.
func ids(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, 0, fmt.Errorf("no such user on this node: %q", name)
		}
	}
	both := [2]uint32{}
	for i, id := range []string{u.Uid, u.Gid} {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("invalid id %q of user %s: %w", id, name, err)
		}
		both[i] = uint32(n)
	}
	return both[0], both[1], nil
}

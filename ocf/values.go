package ocf

import (
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
	var problems []string
	bad := func(name, format string, args ...any) {
		problems = append(problems, name+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
		if !filepath.IsAbs(text[name]) {
			bad(name, "%q is not an absolute path", text[name])
		}
	}
	for _, name := range []string{"agent_url", "check_url"} {
		if u, err := url.Parse(text[name]); text[name] != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			bad(name, "%q is not an HTTP URL", text[name])
		}
	}
	if drain, err := parseTime(text["drain_time"]); err != nil {
		bad("drain_time", "%v", err)
	} else {
		v.drain = drain
	}
	files, err := strconv.ParseUint(text["open_files"], 10, 32)
	if err != nil {
		bad("open_files", "%q is not a number", text["open_files"])
	}
	v.openFiles = files
	if len(problems) > 0 {
		slices.Sort(problems)
		return v, fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	return v, nil
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
		return 0, fmt.Errorf("%q is not a time, expected a number with one of the units %s", text, strings.Join(slices.Sorted(maps.Keys(units))[1:], ", "))
	}
	return time.Duration(n) * unit, nil
}

// ids returns the ids of a user by name or number.
func ids(name string) (uid, gid uint32, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return 0, 0, fmt.Errorf("user: user %q does not exist on this node", name)
		}
	}
	both := [2]uint32{}
	for i, id := range []string{u.Uid, u.Gid} {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("user: invalid id %q of %s: %w", id, name, err)
		}
		both[i] = uint32(n)
	}
	return both[0], both[1], nil
}

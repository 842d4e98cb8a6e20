package pacemaker

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/internal/safefile"
)

const (
	// maxLogLines limits the lines that are read of one log, the latest of the interval.
	maxLogLines = 2000
	// maxLogBytes limits what is read of a file after the beginning of the interval.
	maxLogBytes = 8 << 20
	// maxLogLine limits the text of a line, in bytes.
	maxLogLine = 2000
	// journalWithin limits the time of journalctl.
	journalWithin = 10 * time.Second
	// journal is the name of that source.
	journal = "journal"
)

// LogFiles are where Pacemaker and corosync write their logs, on Debian and on others.
func LogFiles() []string {
	return []string{"/var/log/pacemaker/pacemaker.log", "/var/log/corosync/corosync.log", "/var/log/cluster/corosync.log"}
}

// LogNames are the names of the logs of a node, as a cluster.LogSource has them.
func LogNames() []string {
	names := []string{journal}
	for _, path := range LogFiles() {
		if name := filepath.Base(path); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// journalMatches choose the lines of the cluster's programs by fields: systemd's units, and the
// names that Pacemaker's programs log under where no unit is noted.
func journalMatches() []string {
	return []string{
		"_SYSTEMD_UNIT=pacemaker.service", "_SYSTEMD_UNIT=corosync.service", "_SYSTEMD_UNIT=thalassa.service", "_SYSTEMD_UNIT=haproxy.service",
		"SYSLOG_IDENTIFIER=pacemakerd", "SYSLOG_IDENTIFIER=pacemaker-based", "SYSLOG_IDENTIFIER=pacemaker-controld", "SYSLOG_IDENTIFIER=pacemaker-schedulerd",
		"SYSLOG_IDENTIFIER=pacemaker-execd", "SYSLOG_IDENTIFIER=pacemaker-fenced", "SYSLOG_IDENTIFIER=pacemaker-attrd", "SYSLOG_IDENTIFIER=corosync",
	}
}

// ReadLogs reads what the programs of the cluster have written on this node in an interval:
// into the journal, and into files and those that they were rotated into. hide removes secrets from a text. A log that cannot be
// read is a source with a problem; a file that there is not is none.
func ReadLogs(ctx context.Context, cfg Config, files []string, from, to time.Time, hide func(string) string) (lines []cluster.LogLine, sources []cluster.LogSource, more bool) {
	note := func(name string, list []cluster.LogLine, cut bool, err error) {
		source := cluster.LogSource{Name: name}
		if err != nil {
			source.Problem = err.Error()
		}
		sources, lines, more = append(sources, source), append(lines, list...), more || cut
	}
	list, err := readJournal(ctx, cfg, from, to)
	note(journal, list, len(list) == maxLogLines, err)
	for _, path := range files {
		name := filepath.Base(path)
		old, before := rotated(path, from, to)
		more = more || before
		for _, earlier := range old {
			list, cut, err := readLogFile(ctx, earlier, name, from, to)
			if !errors.Is(err, fs.ErrNotExist) {
				note(filepath.Base(earlier), list, cut, err)
			}
		}
		list, cut, err := readLogFile(ctx, path, name, from, to)
		if !errors.Is(err, fs.ErrNotExist) {
			note(name, list, cut, err)
		}
	}
	return Shown(lines, hide), sources, more
}

// ofAgents are lines about what agents tell each other, sealed, by attributes of nodes.
var ofAgents = regexp.MustCompile(`(?:^|\s)thalassa-[\w-]+\[`)

// Shown are lines of logs as they are shown: bounded, and without secrets, which hide removes from
// a text. The lines themselves are changed.
func Shown(lines []cluster.LogLine, hide func(string) string) []cluster.LogLine {
	kept := lines[:0]
	for _, l := range lines {
		if ofAgents.MatchString(l.Text) {
			continue
		}
		l.Text = strings.ToValidUTF8(cibxml.MaskLog(hide(l.Text)), "?")
		if len(l.Text) > maxLogLine {
			l.Text = strings.ToValidUTF8(l.Text[:maxLogLine], "") + "…"
		}
		kept = append(kept, l)
	}
	return kept
}

// isoStamped is a line with a time that has a date and a zone: journalctl's -o short-iso, and
// rsyslog's.
var isoStamped = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?)(Z|[+-][0-9]{2}:?[0-9]{2}) +`)

// LineOf reads a line of a log of any node: of a file of Pacemaker or corosync, of the system's log,
// or of journalctl. until is when the file was written last: it gives the year to times without
// one, and its location the zone.
func LineOf(text, source string, until time.Time) (cluster.LogLine, bool) {
	m, rest := cutPrefix(isoStamped, strings.TrimRight(text, "\r\n"))
	if m == nil {
		return fileLine(text, source, until)
	}
	at, err := time.Parse("2006-01-02T15:04:05Z0700", strings.Replace(m[1], ",", ".", 1)+strings.ReplaceAll(m[2], ":", ""))
	if err != nil {
		return cluster.LogLine{}, false
	}
	return saidBy(cluster.LogLine{Time: at.UTC(), Source: source, Text: rest}), true
}

// readJournal asks journalctl.
func readJournal(ctx context.Context, cfg Config, from, to time.Time) ([]cluster.LogLine, error) {
	args := []string{
		"--output=json", "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID", "--quiet", "--no-pager", "--lines=" + strconv.Itoa(maxLogLines),
		"--since=" + journalTime(from), "--until=" + journalTime(to),
	}
	for i, match := range journalMatches() {
		if i > 0 {
			args = append(args, "+")
		}
		args = append(args, match)
	}
	t := &tools{cfg.withDefaults()}
	out, err := t.run(ctx, call{tool: "journalctl", args: args, plain: true, within: journalWithin})
	if err != nil {
		return nil, err
	}
	var lines []cluster.LogLine
	for text := range bytes.Lines(out) {
		if l, ok := journalLine(text); ok && !l.Time.Before(from) && !l.Time.After(to) {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// journalTime is a time for journalctl, whose environment has TZ=UTC.
func journalTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000") }

// journalLine reads one line of journalctl --output=json. A message that is no text, or too
// long for journalctl, is none.
func journalLine(text []byte) (cluster.LogLine, bool) {
	var e struct {
		Time     string `json:"__REALTIME_TIMESTAMP"` // microseconds since 1970
		Message  any    `json:"MESSAGE"`
		Priority string `json:"PRIORITY"`
		Name     string `json:"SYSLOG_IDENTIFIER"`
		Program  string `json:"_COMM"`
		PID      string `json:"_PID"`
	}
	if json.Unmarshal(text, &e) != nil {
		return cluster.LogLine{}, false
	}
	micros, err := strconv.ParseInt(e.Time, 10, 64)
	message, ok := e.Message.(string)
	if err != nil || !ok {
		return cluster.LogLine{}, false
	}
	l := cluster.LogLine{Time: time.UnixMicro(micros).UTC(), Source: journal, Daemon: cmp.Or(e.Name, e.Program)}
	l.PID, _ = strconv.Atoi(e.PID) // 0: unknown
	l.Severity, l.Text = severityIn(message)
	if priority, err := strconv.Atoi(e.Priority); err == nil && l.Severity == "" {
		l.Severity = []string{"error", "error", "error", "error", "warning", "notice", "info", "debug"}[min(max(priority, 0), 7)]
	}
	return l, true
}

// beginning is that of a message: the function that logs, if the line has it, and severity.
var beginning = regexp.MustCompile(`^\s*(?:\(\w+\)\s+)?(?i:(emerg|alert|crit|critical|error|err|warning|warn|notice|info|debug|trace):\s+)?`)

// severityIn takes the severity off the beginning of a message.
func severityIn(message string) (severity, text string) {
	m := beginning.FindStringSubmatch(message)
	return severityOf(m[1]), strings.TrimRight(message[len(m[0]):], " \t\r\n")
}

func severityOf(word string) string {
	switch word = strings.ToLower(word); word {
	case "":
		return ""
	case "warn", "warning":
		return "warning"
	case "notice", "info", "debug":
		return word
	case "trace":
		return "debug"
	}
	return "error"
}

var (
	// stamped is a line with a time, which has no year: libqb's, of Pacemaker and corosync.
	stamped = regexp.MustCompile(`^([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?) +`)
	// byPacemaker is the rest of a line of pacemaker.log: node, daemon, process; of a resource
	// agent, without node.
	byPacemaker = regexp.MustCompile(`^(?:\S+ +)?([A-Za-z][\w.()/-]*) *\[([0-9]+)\]:?\s+`)
	// byCorosync is that of corosync.log: process, node, program, severity.
	byCorosync = regexp.MustCompile(`^\[([0-9]+)\] \S+ (\S+) (\w+)\s+`)
)

// cutPrefix returns the submatches of a pattern for the beginning of a text, and what follows
// it. They are nil if it does not match.
func cutPrefix(re *regexp.Regexp, text string) (m []string, rest string) {
	if m = re.FindStringSubmatch(text); m == nil {
		return nil, text
	}
	return m, text[len(m[0]):]
}

// fileLine reads a line of a log file. until is when the file was written last: a line of a
// file is not later.
func fileLine(text, source string, until time.Time) (cluster.LogLine, bool) {
	m, text := cutPrefix(stamped, strings.TrimRight(text, "\r\n"))
	if m == nil {
		return cluster.LogLine{}, false
	}
	at, err := time.ParseInLocation("2006 Jan 2 15:04:05", fmt.Sprintf("%d %s %s %s", until.Year(), m[1], m[2], m[3]), until.Location())
	if err != nil {
		return cluster.LogLine{}, false
	}
	if at.After(until.Add(24 * time.Hour)) {
		at = at.AddDate(-1, 0, 0)
	}
	l := cluster.LogLine{Time: at.UTC(), Source: source, Text: text}
	if c, rest := cutPrefix(byCorosync, text); c != nil && strings.HasPrefix(rest, "[") {
		l.PID, _ = strconv.Atoi(c[1]) // it has digits only
		l.Daemon, l.Severity, l.Text = c[2], severityOf(c[3]), rest
		return l, true
	}
	return saidBy(l), true
}

// saidBy takes program, process and severity off the beginning of the text of a line.
func saidBy(l cluster.LogLine) cluster.LogLine {
	if p, rest := cutPrefix(byPacemaker, l.Text); p != nil {
		l.Daemon, l.Text = p[1], rest
		l.PID, _ = strconv.Atoi(p[2]) // it has digits only
	}
	l.Severity, l.Text = severityIn(l.Text)
	return l
}

// readLogFile reads the lines of an interval, the latest ones. Programs of the cluster may
// rename files in the directory, so no symbolic link is followed.
func readLogFile(ctx context.Context, path, source string, from, to time.Time) (lines []cluster.LogLine, more bool, err error) {
	f, err := safefile.OpenOwned(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	until := info.ModTime().Local() //nolint:gosmopolitan // lines have the node's local time
	w := logWindow{source: source, from: from, to: to, until: until}
	if strings.HasSuffix(path, compressed) {
		err = w.readCompressed(ctx, f)
	} else {
		begin := beginOf(f, info.Size(), func(text string) (before, known bool) {
			l, ok := fileLine(text, "", until)
			return ok && l.Time.Before(from), ok
		})
		err = w.read(ctx, io.NewSectionReader(f, begin, info.Size()-begin))
	}
	if err != nil {
		return w.lines, true, fmt.Errorf("reading %s: %w", path, err)
	}
	return w.lines, w.more, nil
}

// beginOf is a place in a file of lines by time before which all lines are earlier, near the
// first that is not.
func beginOf(f *os.File, size int64, isBefore func(line string) (before, known bool)) int64 {
	const near = 64 << 10
	low, high := int64(0), size
	for high-low > near {
		middle := low + (high-low)/2
		before, known := false, false
		in := bufio.NewReader(io.NewSectionReader(f, middle, min(near, high-middle)))
		_, err := in.ReadString('\n') // the rest of a line
		for err == nil && !known {
			var text string
			if text, err = in.ReadString('\n'); err == nil {
				before, known = isBefore(text)
			}
		}
		if before {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

package history

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/pacemaker"
)

// A report of crm report (crmsh 4.4 to 5, crmsh/report/collect.py) has a folder for each node,
// with these files. Those of hb_report and crm_report have the same layout:
//
//	NODE/pengine/pe-input-1.bz2   inputs of the scheduler, those of the interval
//	NODE/cib.xml                  the CIB at the time of the report
//	NODE/corosync.conf            or in the folder above, if it is the same on all nodes
//	NODE/pacemaker.log, corosync.log, ha-log.txt, messages, or in folders below
//	NODE/journal.log              everything; journal_pacemaker.log and others, one unit
//
// The top folder has an ha-log.txt of all nodes, too. What else a report has, such as analysis.txt, members.txt and sysinfo.txt, is passed over.

// maxSettings limits corosync.conf, in bytes.
const maxSettings = 1 << 20

// reported keeps what is needed of an entry of a report.
func (k *collector) reported(h *tar.Header, content io.Reader) error {
	var err error
	switch name := path.Base(h.Name); {
	case isInput(name):
		err = k.reportedInput(h, content)
	case name == "cib.xml":
		err = k.reportedCIB(h, content)
	case name == "corosync.conf":
		var data []byte
		if data, err = readEntry(content, maxSettings); err == nil && k.token == "" {
			k.token = string(data)
		}
	case isLog(name) && nodeOf(h.Name) != "": // that in the top folder has the same lines again
		err = k.reportedLog(h, content)
	}
	return inEntry(h.Name, err)
}

// nodeOf is the name of the folder of a node that an entry is in; empty: it is in none.
func nodeOf(name string) string {
	parts := strings.Split(name, "/")
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// reportedInput keeps an input of the scheduler. One that is not complete is left out: Pacemaker
// was writing it when the report was made.
func (k *collector) reportedInput(h *tar.Header, content io.Reader) error {
	data, err := readEntry(content, maxFile)
	if err != nil {
		return err
	}
	text, err := expand(data)
	if err == nil {
		err = checkXML(text)
	}
	if err == nil {
		err = k.expanded(len(text))
	}
	var t cluster.Transition
	if err == nil {
		t, err = read(path.Base(h.Name), data, h.ModTime)
	}
	switch {
	case errors.Is(err, errPartial):
		k.note("%s is left out: it is no complete input of the scheduler", h.Name)
		return nil
	case errors.Is(err, errTooLong):
		return &contentError{err.Error(), "less"}
	case err != nil:
		return err
	}
	if t.DC != "" {
		k.sawNode(t.DC)
	}
	t.Operations, t.Jobs = nil, nil // which the index has, made from the inputs
	return k.input(t, data)
}

// reportedCIB takes the names of the cluster and its nodes.
func (k *collector) reportedCIB(h *tar.Header, content io.Reader) error {
	data, err := readEntry(content, maxInput)
	if err != nil {
		return err
	}
	if err := checkXML(data); err != nil {
		return err
	}
	cib, err := pacemaker.ParseCIB(data)
	if err != nil {
		k.note("%s is left out: it is no complete CIB", h.Name)
		return nil //nolint:nilerr // noted: what else the file has can be used
	}
	k.adoptCIB(cib)
	return nil
}

func (k *collector) adoptCIB(cib *pacemaker.CIB) {
	configuration := cib.Root().Child("configuration")
	if k.about.Cluster == "" {
		k.about.Cluster = cut(clusterName(configuration), maxEntryName)
	}
	for _, n := range configuration.Child("nodes").Descendants("node") {
		k.sawNode(n.Attr("uname"))
	}
}

func clusterName(configuration *cibxml.Element) string {
	return configuration.Child("crm_config").Pair("cluster_property_set", "cluster-name")
}

var (
	// logNames are the names of the logs of Pacemaker and corosync, and of the journal of units.
	logNames = regexp.MustCompile(`^(pacemaker|corosync|journal_(pacemaker|corosync|sbd))\.log$`)
	// systemLogs are those of everything on a node.
	systemLogs = regexp.MustCompile(`^(ha-log\.txt|journal\.log|messages|syslog|cluster-log\.txt)$`)
	// clusterPrograms are the programs of the cluster, and resource agents, whose names end with
	// that of the resource: IPaddr2(vip).
	clusterPrograms = regexp.MustCompile(`^(pacemaker|corosync|stonith|fence|crm|pengine|cib|attrd|lrmd|sbd|thalassa|haproxy)|\)$`)
)

func isLog(name string) bool { return logNames.MatchString(name) || systemLogs.MatchString(name) }

// reportedLog keeps the lines of a log; of a system's log, those of the cluster's programs.
func (k *collector) reportedLog(h *tar.Header, content io.Reader) error {
	node, name := nodeOf(h.Name), path.Base(h.Name)
	all := logNames.MatchString(name)
	until := h.ModTime.Local() //nolint:gosmopolitan // lines without a zone have a node's local time
	return eachLine(content, func(text string) error {
		l, ok := pacemaker.LineOf(text, name, until)
		if !ok || !all && !clusterPrograms.MatchString(l.Daemon) {
			return nil
		}
		l.Node, l.Text = node, cut(l.Text, maxKeptLine)
		return k.line(l)
	})
}

// maxKeptLine limits the text of a line, in bytes.
const maxKeptLine = 2000

// eachLine calls do with each line of a text. The rest of a very long one is passed over.
func eachLine(content io.Reader, do func(text string) error) error {
	in := bufio.NewReaderSize(content, 64<<10)
	for {
		text, cut, err := in.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line := string(text)
		for cut && err == nil {
			_, cut, err = in.ReadLine()
		}
		if err := do(line); err != nil {
			return err
		}
	}
}

// totemToken is the token timeout in corosync.conf, in milliseconds.
var totemToken = regexp.MustCompile(`(?m)^\s*token\s*:\s*([0-9]{1,9})\s*$`)

// tokenIn is the token timeout of a corosync.conf; 0: it has none.
func tokenIn(text string) time.Duration {
	m := totemToken.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // it has digits only
	return time.Duration(n) * time.Millisecond
}

// linesBetween are the lines in an interval, the latest ones up to a number.
func linesBetween(content io.Reader, from, to time.Time, most int, decode func(text string) (cluster.LogLine, bool)) (lines []cluster.LogLine, more bool, err error) {
	latest := func() {
		slices.SortStableFunc(lines, func(a, b cluster.LogLine) int { return a.Time.Compare(b.Time) })
		if n := len(lines) - most; n > 0 {
			lines, more = slices.Delete(lines, 0, n), true
		}
	}
	err = eachLine(content, func(text string) error {
		l, ok := decode(text)
		if !ok || l.Time.Before(from) || l.Time.After(to) {
			return nil
		}
		if lines = append(lines, l); len(lines) >= 2*most {
			latest()
		}
		return nil
	})
	latest()
	return lines, more, err
}

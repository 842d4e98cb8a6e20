package history

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/pacemaker"
)

const (
	// maxFile and maxInput limit an input as it is kept, and as XML. A CIB of a thousand
	// resources has 3 MB of XML.
	maxFile  = 4 << 20
	maxInput = 16 << 20
	// maxOperations limits how many operations of a transition are listed.
	maxOperations = 1000
)

// inputName is the name of an input: series and number.
var inputName = regexp.MustCompile(`^pe-(input|warn|error)-([0-9]{1,9})(\.bz2)?$`)

// isInput reports whether a file has the name of an input.
func isInput(name string) bool { return inputName.MatchString(name) }

// errPartial is the cause of an error about an input that is not complete, or no input.
var errPartial = errors.New("is not a complete input of the scheduler")

// errTooLong begins an error about an input that is too large.
var errTooLong = errors.New("has more")

// read reads an input with the name that Pacemaker has given it. kept is the time of the
// file, for an input that has none.
func read(name string, data []byte, kept time.Time) (cluster.Transition, error) {
	parts := inputName.FindStringSubmatch(name)
	if parts == nil {
		return cluster.Transition{}, fmt.Errorf("%q is no name of an input: expected pe-input-1.bz2", name)
	}
	text, cib, err := parse(name, data)
	if err != nil {
		return cluster.Transition{}, err
	}
	root := cib.Root()
	t := cluster.Transition{
		File: name, Tag: map[string]string{"input": "input", "warn": "warning", "error": "error"}[parts[1]],
		Time: secondsOr(root.Attr("execution-date"), kept), DC: nodeName(root, root.Attr("dc-uuid")),
		Epoch: cib.Epoch, Quorum: cibxml.IsTrue(root.Attr("have-quorum")), Change: change(root),
		Operations: cib.Operations(), Jobs: cib.Marks(),
	}
	sum := sha256.Sum256(text)
	t.ID = t.Time.Format(idTime) + "-" + t.Tag + "-" + parts[2] + "-" + hex.EncodeToString(sum[:4])
	bound(&t)
	return t, nil
}

// parse is the CIB of an input with a name, and its XML.
func parse(name string, data []byte) (text []byte, cib *pacemaker.CIB, err error) {
	if text, err = expand(data); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if cib, err = pacemaker.ParseCIB(text); err != nil {
		return nil, nil, fmt.Errorf("%s %w: %w", name, errPartial, err)
	}
	return text, cib, nil
}

// packFrom is the size from which the XML of an export is compressed when it is imported, in bytes.
const packFrom = 64 << 10

// packed is XML as it is kept: compressed, if it is large.
func packed(text []byte) ([]byte, error) {
	if len(text) < packFrom {
		return text, nil
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("compressing an input: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing an input: %w", err)
	}
	return out.Bytes(), nil
}

// expand is the XML of an input, which may be compressed: by Pacemaker, or by packed.
func expand(data []byte) ([]byte, error) {
	var from io.Reader
	switch {
	case bytes.HasPrefix(data, []byte("BZh")):
		from = bzip2.NewReader(bytes.NewReader(data))
	case isPacked(data):
		gz, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errPartial, err)
		}
		from = gz
	default:
		return data, nil
	}
	text, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errPartial, err)
	case len(text) > maxInput:
		return nil, fmt.Errorf("%w than %d bytes of XML", errTooLong, maxInput)
	}
	return text, nil
}

func isPacked(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }

// secondsOr is a time in seconds since 1970, or else another.
func secondsOr(text string, other time.Time) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return other.UTC().Truncate(time.Second)
	}
	return time.Unix(n, 0).UTC()
}

// nodeName is the name of a node by its id; empty: unknown.
func nodeName(root *cibxml.Element, id string) string {
	if id == "" {
		return ""
	}
	for _, n := range root.Child("configuration", "nodes").Descendants("node") {
		if n.Attr("id") == id {
			return n.Attr("uname")
		}
	}
	return ""
}

// lastWritten is the form of the time of a change: "Sun Nov 29 13:14:00 2026", in the zone
// of the node that wrote it. The text does not name it, so it is read as that of this node.
const lastWritten = "Mon Jan 2 15:04:05 2006"

func change(root *cibxml.Element) *cluster.ConfigurationChange {
	at, err := time.ParseInLocation(lastWritten, strings.Join(strings.Fields(root.Attr("cib-last-written")), " "), time.Local)
	if err != nil {
		return nil
	}
	return &cluster.ConfigurationChange{Time: at.UTC(), User: root.Attr("update-user"), Client: root.Attr("update-client"), Node: root.Attr("update-origin")}
}

// writers are the jobs of those marks that another transition does not have.
func writers(marks, before []string) []string {
	var out []string
	for _, mark := range marks {
		if id, _, _ := strings.Cut(mark, "."); !slices.Contains(before, mark) {
			out = append(out, id)
		}
	}
	return out
}

// versions is how many versions of the configuration there were between two; 0 if the
// second is not the later one.
func versions(before, after cluster.Epoch) uint64 {
	switch {
	case after.Admin > before.Admin:
		return 1 // at least: the numbers began anew
	case after.Admin < before.Admin || after.Epoch < before.Epoch:
		return 0
	}
	return after.Epoch - before.Epoch
}

// news are the operations of a transition that another does not have.
func news(list, before []cluster.OperationResult) []cluster.OperationResult {
	known := make(map[string]bool, len(before))
	for _, o := range before {
		known[o.Key()] = true
	}
	out := slices.DeleteFunc(slices.Clone(list), func(o cluster.OperationResult) bool { return known[o.Key()] })
	return out[max(0, len(out)-maxOperations):]
}

package pacemaker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster"
)

// maxFindings is how many findings of a kind are shown.
const maxFindings = 10

// findings are what crm_verify says about a CIB.
type findings struct{ errors, warnings []string }

// verify validates the CIB after a change with crm_verify. Only errors that the CIB before
// it does not have are an error, of kind KindInvalid: a change is not refused for what
// others have left. Missing fencing is no error either: the caller decides about it. All
// other findings are returned as warnings that say whether the change brings them.
func (t *tools) verify(ctx context.Context, before, after *CIB) (warnings []string, err error) {
	old, err := t.findings(ctx, before)
	if err != nil {
		return nil, err
	}
	now, err := t.findings(ctx, after)
	if err != nil {
		return nil, err
	}
	fresh := except(now.errors, old.errors)
	if len(fresh) > 0 && !onlyFencing(fresh) {
		said := strings.Join(shortened(fresh), "; ")
		return nil, fmt.Errorf("checking the configuration: %w", &cluster.Error{Tool: "crm_verify", Kind: cluster.KindInvalid, Code: invalidCIB, Said: said})
	}
	for _, f := range shortened(except(now.warnings, old.warnings)) {
		warnings = append(warnings, "this change: "+f)
	}
	for _, f := range shortened(slices.Concat(old.errors, old.warnings)) {
		warnings = append(warnings, "before this change: "+f)
	}
	return warnings, nil
}

// invalidCIB is the exit code of crm_verify for errors, and for mere warnings, too
// (CRM_EX_CONFIG).
const invalidCIB = 78

// findings runs crm_verify on a CIB. Secrets of the CIB are masked in its messages.
func (t *tools) findings(ctx context.Context, cib *CIB) (findings, error) {
	var f findings
	err := withFile(cib.data, func(path string) error {
		var said bytes.Buffer
		_, err := t.run(ctx, call{tool: "crm_verify", args: []string{"-VV", "-x", path}, plain: true, said: &said})
		f = readFindings(cib, said.String(), path)
		failed, ok := errors.AsType[*cluster.Error](err)
		switch {
		case ok && failed.Code == invalidCIB && len(f.errors)+len(f.warnings) > 0:
			return nil
		case ok && failed.Kind == cluster.KindFailed:
			failed.Kind = cluster.KindInvalid
		}
		return err
	})
	if err != nil {
		return findings{}, fmt.Errorf("checking the configuration: %w", err)
	}
	return f, nil
}

// finding matches a message of crm_verify: "(function) 	error: text", or one of libxml2's,
// which begins with file and line.
var finding = regexp.MustCompile(`^(?:\(\w+\)\s+)?(?:[^\s:]*:\d+: )?(.*?)(error|warning)\s*: (.+)$`)

// readFindings reads crm_verify's messages, each once. Its last line says whether there are
// errors in the configuration. Without it, what the scheduler logs as errors is about the
// state of the cluster, such as a resource that runs on too many nodes.
func readFindings(cib *CIB, said, path string) findings {
	var f findings
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(strings.ReplaceAll(line, path, ""))
		m := finding.FindStringSubmatch(strings.TrimPrefix(line, ":"))
		if m == nil || strings.HasPrefix(line, "crm_verify:") {
			continue
		}
		list := &f.warnings
		if m[2] == "error" {
			list = &f.errors
		}
		text := cib.Hide(strings.ToValidUTF8(elementOf(m[1])+m[3], "?"))
		if !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	if !strings.Contains(said, "Errors found") {
		f.errors, f.warnings = nil, slices.Concat(f.errors, f.warnings)
	}
	return f
}

// elementOf names the element of libxml2's message: "element rsc_order: validity ".
func elementOf(place string) string {
	_, after, found := strings.Cut(place, "element ")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(after, ":")
	return name + ": "
}

// except returns the texts of a that b does not have.
func except(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(text string) bool { return slices.Contains(b, text) })
}

// shortened is a list without what is too much to read.
func shortened(list []string) []string {
	if len(list) <= maxFindings {
		return list
	}
	return append(slices.Clone(list[:maxFindings]), fmt.Sprintf("and %d more", len(list)-maxFindings))
}

// onlyFencing reports whether all errors are about missing fencing.
func onlyFencing(said []string) bool {
	return !slices.ContainsFunc(said, func(line string) bool {
		low := strings.ToLower(line)
		return !strings.Contains(low, "stonith") && !strings.Contains(low, "fencing") && !strings.Contains(low, "clusters with shared data")
	})
}

package haproxy

import (
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // HAProxy shows certificates by it, and nobody chooses them
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/statsock"
)

// HAProxy changes certificates at run time (management guide, 9.3, "set ssl cert"). A worker
// keeps the names of the files that it was started with; the agent finds them by what is
// before their digests. HAProxy keeps the default certificate of a bind until its end, and
// takes another content for it.

// A Serving describes the certificates that the running HAProxy should have.
type Serving struct {
	Files []ServedFile
	Lists []lb.CertificateList
	// Changed are the roles of files whose content has changed. Compared are the roles of files
	// whose content is compared, and replaced if it differs; nil: all.
	Changed, Compared map[string]bool
}

// A ServedFile is a certificate file that HAProxy has loaded or should load.
type ServedFile struct {
	CertificateFile
	Role string
	Kind string // of lb.TLSFile
	// AtStart: HAProxy takes another content only when it starts. It would say that it has it.
	AtStart bool
}

// fileKinds are those of files that HAProxy loads, in the order in which they change.
func fileKinds() []string { return []string{lb.KindCert, lb.KindCAFile, lb.KindCRLFile} }

// A CertificatesError says why the running HAProxy cannot get its certificates without a
// reload.
type CertificatesError struct{ Why string }

// Error is the reason behind what failed.
func (e *CertificatesError) Error() string {
	return "changing certificates of the running haproxy: " + e.Why
}

// Serve loads certificates into the running HAProxy without a reload, and reads back that it has
// them. done lists what was changed, as clauses. A *CertificatesError says that only a reload
// helps. After an error some changes may be in effect.
func (c *Certificates) Serve(ctx context.Context, s Serving) (done []string, err error) {
	err = c.runtime.onWorker(ctx, func(session *statsock.Session) error {
		v := &serving{Serving: s, session: session, files: c.files, dir: c.files.dir()}
		err := v.serve(ctx)
		done = append(done, v.done...)
		return err
	})
	if err != nil && !errors.As(err, new(*CertificatesError)) {
		err = fmt.Errorf("changing certificates of the running haproxy: %w", err)
	}
	return done, err
}

// Deviations lists how the certificates of the running HAProxy differ from s, as clauses.
func (c *Certificates) Deviations(ctx context.Context, s Serving) ([]string, error) {
	session, err := c.runtime.router.client(ctx).Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer session.End()
	v := &serving{Serving: s, session: session, files: c.files, dir: c.files.dir(), isDry: true}
	v.Changed = nil
	err = v.serve(ctx)
	if e, ok := errors.AsType[*CertificatesError](err); ok {
		return append(v.done, e.Why), nil
	}
	return v.done, err
}

// onWorker runs do on the serving worker, and again on the next one if that has taken over.
func (ra *runtimeAPI) onWorker(ctx context.Context, do func(*statsock.Session) error) error {
	if err := ra.changes.lock(ctx); err != nil {
		return err
	}
	defer ra.changes.unlock()
	for n := 0; ; n++ {
		session, err := ra.router.client(ctx).Begin(ctx)
		if err != nil {
			return err
		}
		err = checkServing(ctx, session)
		if err == nil {
			err = cmp.Or(do(session), checkServing(ctx, session))
		}
		session.End()
		if n == maxAttempts || !errors.Is(err, errStopping) && !errors.Is(err, statsock.ErrWorkerGone) {
			return err
		}
	}
}

// A serving is the work of Serve on one worker.
type serving struct {
	Serving
	session *statsock.Session
	files   *certificateFiles
	dir     string
	isDry   bool // nothing is changed
	done    []string

	loaded map[string]map[string]string // paths by kind and role
	lists  map[string]string            // paths by role
}

func (v *serving) serve(ctx context.Context) error {
	if err := v.read(ctx); err != nil {
		return err
	}
	touched, err := v.serveFiles(ctx)
	if err != nil {
		return err
	}
	for _, list := range v.Lists {
		if err := v.serveList(ctx, list); err != nil {
			return err
		}
	}
	if v.isDry {
		return nil
	}
	if err := v.removeUnused(ctx); err != nil {
		return err
	}
	return v.readBack(ctx, touched)
}

// read finds the files that the worker has loaded. It aborts a change that somebody has not
// committed, because HAProxy allows only one at a time.
func (v *serving) read(ctx context.Context) error {
	v.loaded, v.lists = map[string]map[string]string{}, map[string]string{}
	for _, kind := range fileKinds() {
		found, err := v.session.ShowLoaded(ctx, kind)
		if err != nil {
			return err
		}
		v.loaded[kind] = v.byRole(found.Files)
		if found.Pending != "" && !v.isDry && filepath.Dir(found.Pending) == v.dir {
			if _, err := v.session.Do(ctx, "abort ssl "+kind+" "+found.Pending); err != nil {
				return err
			}
		}
	}
	lists, err := v.session.ShowLists(ctx)
	v.lists = v.byRole(lists)
	return err
}

// byRole are the paths of files of the agent by their roles.
func (v *serving) byRole(paths []string) map[string]string {
	out := map[string]string{}
	for _, path := range paths {
		if role, ok := lb.TLSRole(filepath.Base(path)); ok && filepath.Dir(path) == v.dir {
			out[role] = path
		}
	}
	return out
}

// serveFiles loads the content of files into the worker, and returns the files that it has changed.
func (v *serving) serveFiles(ctx context.Context) (touched []ServedFile, err error) {
	different, err := v.different(ctx)
	if err != nil {
		return nil, err
	}
	isListed := map[string]bool{} // HAProxy loads no other file at run time
	for _, list := range v.Lists {
		for _, role := range list.Entries {
			isListed[role] = true
		}
	}
	for _, f := range v.Files {
		path, isLoaded := v.loaded[f.Kind][f.Role]
		if isLoaded && !v.Changed[f.Role] && !different[f.Role] {
			continue
		}
		switch {
		case !isLoaded && (f.Kind != lb.KindCert || !isListed[f.Role]):
			return nil, &CertificatesError{"it has not loaded " + f.Name}
		case f.AtStart && isLoaded:
			return nil, &CertificatesError{"it gives " + f.Name + " to members only when it starts"}
		case !isLoaded:
			path = filepath.Join(v.dir, f.Name)
			v.done = append(v.done, "+"+f.Role)
		default:
			v.done = append(v.done, f.Role+" replaced")
		}
		if v.isDry {
			continue
		}
		if err := v.replace(ctx, f, path, !isLoaded); err != nil {
			return nil, err
		}
		v.loaded[f.Kind][f.Role] = path
		touched = append(touched, f)
	}
	return touched, nil
}

// different are the roles of compared files whose content differs from what is loaded.
func (v *serving) different(ctx context.Context) (map[string]bool, error) {
	var compared []ServedFile
	for _, f := range v.Files {
		_, isLoaded := v.loaded[f.Kind][f.Role]
		if isLoaded && (v.Compared == nil || v.Compared[f.Role]) && !v.Changed[f.Role] {
			compared = append(compared, f)
		}
	}
	return v.compare(ctx, compared)
}

// compare returns the roles of files whose content differs from what is loaded.
func (v *serving) compare(ctx context.Context, files []ServedFile) (map[string]bool, error) {
	out := map[string]bool{}
	for _, kind := range fileKinds() {
		var some []ServedFile
		var paths []string
		for _, f := range files {
			if f.Kind == kind {
				some, paths = append(some, f), append(paths, v.loaded[kind][f.Role])
			}
		}
		isSame, err := v.comparer(ctx, kind, paths)
		if err != nil {
			return nil, err
		}
		for i, f := range some {
			text, err := f.Text()
			if err != nil {
				return nil, err
			}
			if !isSame(i, text) {
				out[f.Role] = true
			}
		}
	}
	return out, nil
}

// comparer returns what reports whether the file at an index of paths has been loaded from a
// text.
func (v *serving) comparer(ctx context.Context, kind string, paths []string) (func(i int, text []byte) bool, error) {
	if kind == lb.KindCRLFile {
		loaded, err := v.session.ShowRevocations(ctx, paths...)
		return func(i int, text []byte) bool { return areRevocationsOf(loaded[i], text) }, err
	}
	loaded, err := v.session.ShowCertificates(ctx, kind, paths...)
	return func(i int, text []byte) bool { return isLoadedFrom(loaded[i], text, kind == lb.KindCAFile) }, err
}

// isLoadedFrom reports whether HAProxy shows the certificates of a text in PEM. Of a chain it
// shows the number of issuers.
func isLoadedFrom(loaded []statsock.LoadedCertificate, text []byte, isAuthority bool) bool {
	var sums []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			sum := sha1.Sum(block.Bytes) //nolint:gosec // see above
			sums = append(sums, hex.EncodeToString(sum[:]))
		}
	}
	if !isAuthority {
		return len(sums) > 0 && len(loaded) == 1 && loaded[0].SHA1 == sums[0] && loaded[0].Chain == len(sums)-1
	}
	shown := make([]string, len(loaded))
	for i, l := range loaded {
		shown[i] = l.SHA1
	}
	slices.Sort(sums)
	slices.Sort(shown)
	return slices.Equal(sums, shown)
}

// replace replaces the content of a file in the worker, in one step for clients.
func (v *serving) replace(ctx context.Context, f ServedFile, path string, isNew bool) error {
	text, err := f.Text()
	if err != nil {
		return err
	}
	parts, err := partsOf(f, path, text)
	if err != nil {
		return err
	}
	if isNew {
		if err := v.command(ctx, "New empty", "new ssl "+f.Kind+" "+path); err != nil {
			return err
		}
	}
	for _, p := range parts {
		said, err := v.session.Pay(ctx, p.command, p.text)
		if err != nil {
			return err
		}
		if !strings.Contains(strings.ToLower(said), "transaction ") {
			return v.refused(ctx, f, path, isNew, said)
		}
	}
	if err := v.setStaple(ctx, f, path); err != nil {
		return err
	}
	if err := v.command(ctx, "Success!", "commit ssl "+f.Kind+" "+path); err != nil {
		return v.refused(ctx, f, path, isNew, err.Error())
	}
	return nil
}

// refused aborts the change of a file that HAProxy refuses.
func (v *serving) refused(ctx context.Context, f ServedFile, path string, isNew bool, why string) error {
	commands := []string{"abort ssl " + f.Kind + " " + path}
	if isNew {
		commands = append(commands, "del ssl "+f.Kind+" "+path)
	}
	for _, c := range commands {
		if _, err := v.session.Do(ctx, c); err != nil {
			return err
		}
	}
	return &CertificatesError{f.Role + ": " + strings.TrimSpace(why)}
}

// command carries out a command whose answer has a word when it succeeds.
func (v *serving) command(ctx context.Context, success, command string) error {
	answers, err := v.session.Do(ctx, command)
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(answers[0]); !strings.Contains(said, success) {
		return &CertificatesError{fmt.Sprintf("haproxy said %.300q", said)}
	}
	return nil
}

// serveList makes the lines of a list those wanted. It adds new ones first, so that no client is
// without a certificate in between.
func (v *serving) serveList(ctx context.Context, list lb.CertificateList) error {
	path, ok := v.lists[lb.ListRole(list.Frontend)]
	if !ok {
		return &CertificatesError{"it has no list of certificates for frontend " + string(list.Frontend)}
	}
	lines, err := v.session.ShowList(ctx, path)
	if err != nil {
		return err
	}
	entries, there := make(map[string]bool, len(list.Entries)), make(map[string]bool, len(list.Entries))
	for _, role := range list.Entries {
		entries[role] = true
	}
	var extra []statsock.ListEntry
	for i, line := range lines {
		role, isOurs := lb.TLSRole(filepath.Base(line.File))
		wanted := isOurs && filepath.Dir(line.File) == v.dir && entries[role] && !there[role]
		if i == 0 && len(list.Entries) > 0 && role != list.Entries[0] {
			return &CertificatesError{"its default certificate for frontend " + string(list.Frontend) + " is another one"}
		}
		if !wanted {
			extra = append(extra, line)
			continue
		}
		there[role] = true
	}
	for _, role := range list.Entries {
		if there[role] {
			continue
		}
		v.done = append(v.done, "frontend/"+string(list.Frontend)+" +"+role)
		if err := v.unlessDry(ctx, "Success!", "add ssl crt-list "+path+" "+v.loaded["cert"][role]); err != nil {
			return err
		}
	}
	for _, line := range extra {
		v.done = append(v.done, "frontend/"+string(list.Frontend)+" -"+strings.TrimSuffix(filepath.Base(line.File), ".pem"))
		if err := v.unlessDry(ctx, "deleted", fmt.Sprintf("del ssl crt-list %s %s:%d", path, line.File, line.Line)); err != nil {
			return err
		}
	}
	return nil
}

func (v *serving) unlessDry(ctx context.Context, success, command string) error {
	if v.isDry {
		return nil
	}
	return v.command(ctx, success, command)
}

// removeUnused removes the keys of certificates that nothing uses any more from the worker's
// memory. What the worker still uses it keeps.
func (v *serving) removeUnused(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, f := range v.Files {
		wanted[f.Role] = true
	}
	for role, path := range v.loaded["cert"] {
		if wanted[role] {
			continue
		}
		if _, err := v.session.Do(ctx, "del ssl cert "+path); err != nil {
			return err
		}
	}
	return nil
}

// readBack makes sure that the worker has the content of files, and the lines of lists.
func (v *serving) readBack(ctx context.Context, touched []ServedFile) error {
	different, err := v.compare(ctx, touched)
	if err != nil {
		return err
	}
	for role := range different {
		return &CertificatesError{"it does not show the new content of " + role}
	}
	dry := *v
	dry.isDry, dry.done, dry.Changed, dry.Compared = true, nil, nil, map[string]bool{}
	for _, list := range v.Lists {
		if err := dry.serveList(ctx, list); err != nil {
			return err
		}
	}
	if len(dry.done) > 0 {
		return &CertificatesError{"its lists still differ: " + strings.Join(dry.done, ", ")}
	}
	return nil
}

package hrapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"thalassa/internal/safefile"
)

// Bounds of the requests to an artifact repository.
const (
	// artifactTime bounds one request, and artifactAttempts how often it is sent.
	artifactTime, artifactAttempts = 5 * time.Second, 3
	// artifactPause is the time between the first two attempts; it doubles.
	artifactPause = 200 * time.Millisecond
	// maxArtifactAnswer bounds an answer that is no file.
	maxArtifactAnswer = 64 << 10
	// maxCredentials bounds the file of credentials.
	maxCredentials = 4 << 10
)

// An artifactRepository is where pyHrapi kept its backups: versions of named files, over
// HTTP. Its methods may be called concurrently.
type artifactRepository struct {
	url         string // without a slash at the end
	credentials string // file; empty: none are needed
	client      *http.Client

	mu      sync.Mutex
	problem string
}

func newArtifactRepository(url, credentials string) *artifactRepository {
	return &artifactRepository{
		url: strings.TrimSuffix(url, "/"), credentials: credentials,
		client: &http.Client{
			Timeout: artifactTime,
			// Credentials and backups go to the configured address only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Problem is a sentence that says that the last backup is not in the repository; empty: it
// is.
func (r *artifactRepository) Problem() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

func (r *artifactRepository) setProblem(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problem = text
}

// base is the address of a name's versions.
func (r *artifactRepository) base(name string) string {
	return r.url + "/v1/repositories/mlbc/artifacts/" + name
}

// store puts a version into the repository, and remembers whether that has failed.
func (r *artifactRepository) store(ctx context.Context, v version, data []byte) error {
	err := r.put(ctx, v, data)
	if err != nil {
		r.setProblem("the last backup of /v1 is not in the artifact repository")
		return fmt.Errorf("storing %s in the artifact repository: %w", v, err)
	}
	r.setProblem("")
	return nil
}

func (r *artifactRepository) put(ctx context.Context, v version, data []byte) error {
	base := r.base(v.name) + "/" + strconv.Itoa(v.number)
	answer, err := r.send(ctx, http.MethodPut, base, nil, maxArtifactAnswer)
	if err != nil {
		return err
	}
	var said struct {
		Code int `json:"code"`
	}
	if len(answer) > 0 && json.Unmarshal(answer, &said) == nil && said.Code == 1 {
		return errors.New("it refuses this version")
	}
	_, err = r.send(ctx, http.MethodPut, base+"/files/"+v.name+".db", data, maxArtifactAnswer)
	return err
}

// last is the greatest version of a name; 0: there is none.
func (r *artifactRepository) last(ctx context.Context, name string) (int, error) {
	answer, err := r.send(ctx, http.MethodGet, r.base(name), nil, maxArtifactAnswer)
	if isAbsent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("asking the artifact repository for versions: %w", err)
	}
	var said struct {
		Data []json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return 0, fmt.Errorf("asking the artifact repository for versions: its answer is not JSON: %w", err)
	}
	last := 0
	for _, text := range said.Data { // numbers, or texts with them
		if n, err := strconv.Atoi(strings.Trim(string(text), `"`)); err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// load reads a version; isThere is false where the repository has none.
func (r *artifactRepository) load(ctx context.Context, v version) (data []byte, isThere bool, err error) {
	data, err = r.send(ctx, http.MethodGet, r.base(v.name)+"/"+strconv.Itoa(v.number)+"/files/"+v.name+".db", nil, maxBackup)
	if isAbsent(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s from the artifact repository: %w", v, err)
	}
	return data, true, nil
}

// A statusError is the status of an unsuccessful answer.
type statusError int

func (e statusError) Error() string { return "it answers " + strconv.Itoa(int(e)) }

func isAbsent(err error) bool {
	status, ok := errors.AsType[statusError](err)
	return ok && status == http.StatusNotFound
}

// send sends a request. One that fails, or that the server cannot answer, is repeated.
func (r *artifactRepository) send(ctx context.Context, method, url string, body []byte, most int64) (answer []byte, err error) {
	for i, pause := 1, artifactPause; ; i, pause = i+1, 2*pause {
		answer, err = r.sendOnce(ctx, method, url, body, most)
		status, isAnswer := errors.AsType[statusError](err)
		if err == nil || isAnswer && status < http.StatusInternalServerError || i == artifactAttempts {
			return answer, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

func (r *artifactRepository) sendOnce(ctx context.Context, method, url string, body []byte, most int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if err := r.authorize(req); err != nil {
		return nil, err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusMultipleChoices {
		return nil, statusError(res.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it answers with more than %d bytes", most)
	}
	return data, err
}

// authorize adds the credentials: "NAME:PASSWORD" in the file, or else a bearer token.
func (r *artifactRepository) authorize(req *http.Request) error {
	if r.credentials == "" {
		return nil
	}
	text, err := safefile.Read(r.credentials, maxCredentials)
	if err != nil {
		return fmt.Errorf("reading the credentials: %w", err)
	}
	secret := strings.TrimSpace(string(text))
	if strings.Contains(secret, ":") {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
	} else {
		req.Header.Set("Authorization", "Bearer "+secret)
	}
	return nil
}

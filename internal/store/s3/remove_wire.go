package s3

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper/internal/store"
)

// maxRemoved bounds an answer to the removal of a thousand versions, in bytes:
// each row has a key of at most 1,024, which may be escaped, and a message.
const maxRemoved = 16 << 20

type removeRequest struct {
	XMLName xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Delete"`
	Object  []removeObject // Quiet is off: every version is to be answered for
}

type removeObject struct {
	Key       string
	VersionId string
	ETag      string `xml:",omitempty"`
}

type removeAnswer struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Deleted []struct {
		Key, VersionId        string
		DeleteMarkerVersionId string
	}
	Error []struct{ Key, VersionId, Code, Message string }
}

func (c *lean) remove(ctx context.Context, rs []store.Removal) ([]removed, error) {
	req := removeRequest{Object: make([]removeObject, len(rs))}
	for i, r := range rs {
		req.Object[i] = removeObject{Key: r.Key, VersionId: r.VersionID}
		if r.IfMatch != "" {
			req.Object[i].ETag = `"` + r.IfMatch + `"`
		}
	}
	doc, err := xml.Marshal(req)
	if err != nil {
		return nil, err
	}
	md, sha := md5.Sum(doc), sha256.Sum256(doc)
	var res *http.Response
	err = c.lacks.trying(LacksSums, func(named bool) (err error) {
		h := make(http.Header, 8)
		h["Content-Md5"] = []string{base64.StdEncoding.EncodeToString(md[:])}
		if named {
			h["X-Amz-Checksum-Sha256"] = []string{base64.StdEncoding.EncodeToString(sha[:])}
		}
		h["Content-Type"] = []string{"application/xml"}
		res, err = c.send(ctx, http.MethodPost, "", params{{"delete", ""}}, h, bytes.NewReader(doc), int64(len(doc)), hex.EncodeToString(sha[:])) //nolint:bodyclose // it is closed below
		return err
	})
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxRemoved+1))
	_ = res.Body.Close() // what was read is judged by itself
	switch {
	case err != nil:
		return nil, noAnswer(ctx, &failure{err: err})
	case len(b) > maxRemoved:
		return nil, malformed("an answer of more than %d bytes", maxRemoved)
	}
	return parseRemoved(b)
}

// parseRemoved reads a DeleteResult, or an error that was sent as a success.
func parseRemoved(b []byte) ([]removed, error) {
	var a removeAnswer
	if err := xml.Unmarshal(b, &a); err != nil {
		f := &failure{status: http.StatusInternalServerError}
		if f.read(b); f.code != "" {
			return nil, f
		}
		return nil, malformed("no word of what was removed: %w", err)
	}
	rows := make([]removed, 0, len(a.Deleted)+len(a.Error))
	for _, x := range a.Deleted {
		rows = append(rows, removed{key: x.Key, version: x.VersionId, marker: x.DeleteMarkerVersionId})
	}
	for _, x := range a.Error {
		rows = append(rows, failedRemoval(x.Key, x.VersionId, x.Code, x.Message))
	}
	return rows, nil
}

// failedRemoval never has an empty code, which would stand for success.
func failedRemoval(key, version, code, message string) removed {
	if code = clip(code, 100); code == "" {
		code = "Unknown"
	}
	return removed{key: key, version: version, code: code, message: clip(message, 500)}
}

func (c *lean) removeOne(ctx context.Context, r store.Removal) (removed, error) {
	h := make(http.Header, 4)
	if r.IfMatch != "" {
		h["If-Match"] = []string{`"` + r.IfMatch + `"`}
	}
	var query params
	if r.VersionID != "" { // of a probe alone
		query = params{{"versionId", r.VersionID}}
	}
	res, err := c.send(ctx, http.MethodDelete, r.Key, query, h, nil, 0, emptyHash)
	if err != nil {
		return removed{}, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	if err != nil {
		return removed{}, noAnswer(ctx, &failure{err: err})
	}
	row := removed{key: r.Key, version: r.VersionID}
	if res.Header.Get("X-Amz-Delete-Marker") == "true" {
		row.marker = res.Header.Get("X-Amz-Version-Id")
	}
	return row, nil
}

func (c *whole) remove(ctx context.Context, rs []store.Removal) ([]removed, error) {
	objects := make([]types.ObjectIdentifier, len(rs))
	for i := range rs {
		objects[i] = types.ObjectIdentifier{Key: &rs[i].Key, VersionId: &rs[i].VersionID, ETag: quoted(rs[i].IfMatch)}
	}
	out, err := c.sdk.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: &c.bucket, Delete: &types.Delete{Objects: objects}})
	if err != nil {
		return nil, sdkFailure(ctx, err, c.now())
	}
	rows := make([]removed, 0, len(out.Deleted)+len(out.Errors))
	for _, x := range out.Deleted {
		rows = append(rows, removed{key: aws.ToString(x.Key), version: aws.ToString(x.VersionId), marker: aws.ToString(x.DeleteMarkerVersionId)})
	}
	for _, x := range out.Errors {
		rows = append(rows, failedRemoval(aws.ToString(x.Key), aws.ToString(x.VersionId), aws.ToString(x.Code), aws.ToString(x.Message)))
	}
	return rows, nil
}

func (c *whole) removeOne(ctx context.Context, r store.Removal) (removed, error) {
	in := sdk.DeleteObjectInput{Bucket: &c.bucket, Key: &r.Key, IfMatch: quoted(r.IfMatch)}
	if r.VersionID != "" { // of a probe alone
		in.VersionId = &r.VersionID
	}
	out, err := c.sdk.DeleteObject(ctx, &in)
	if err != nil {
		return removed{}, sdkFailure(ctx, err, c.now())
	}
	row := removed{key: r.Key, version: r.VersionID}
	if aws.ToBool(out.DeleteMarker) {
		row.marker = aws.ToString(out.VersionId)
	}
	return row, nil
}

class_name GameyeServer
extends Node
## The game server kit for Godot 4.2 and newer: this one file, no add-ons. What it is about: kits/README.md.
##
##     var server := GameyeServer.new()
##     add_child(server)
##     await server.ready_for_players()
##
##     # A player has sent their seat token.
##     var seat := server.verify_seat_token(token)
##     if seat.has("refused"):
##         return refuse(seat.refused)
##     var joined := await server.joined([seat.user_id])
##     if joined.outcome == "done" and seat.user_id in joined.refused:
##         return refuse("no seat")
##
##     # A player has left. hold: they lost the connection, and may come back.
##     await server.left([user_id], hold)
##
##     # The game is over.
##     await server.result({"played": played})
##     await server.end()
##
## Every call is awaited and answers a Dictionary with `outcome`: `done`, `refused` (a repetition does not help) or
## `unavailable` (Nakama did not answer for half a minute); in the last two, `code` and `message`. Calls go out one after the
## other, in the order they were made.

signal _turn_ended

const REQUEST_TIMEOUT_S := 10.0
const LONGEST_TOKEN := 1024
const GREATEST_WHOLE_NUMBER := 9007199254740991.0
## The pauses after the first, second, … try; after one more try it gives up.
const WAITS_MS: Array[int] = [250, 500, 1000, 2000, 4000, 8000, 8000]
## Others changed the same records, or there is another result for this round: the first passes, the second does not.
const CONFLICT := 10
const CONFLICT_TRIES := 3
const UNAVAILABLE := 14

var session_id := OS.get_environment("GAMEYE_SESSION_ID")
var seat_secret := OS.get_environment("SEAT_SECRET")
## Without an address or a token nothing is reported, and every call is done.
var nakama_url := OS.get_environment("NAKAMA_URL")
var server_token := OS.get_environment("NAKAMA_SERVER_TOKEN")
## Sends a request (`method`, `url`, `headers`, `body`) and answers `status` and `body`; status 0 when no answer came. Must not
## follow redirections: the token would go along.
var send := _send_by_http
var sleep := _sleep
## Seconds since 1970.
var now := func() -> float: return Time.get_unix_time_from_system()

var _next_turn := 0
var _turn := 0


## Whose seat this is (`user_id`), or why nobody is let in with it (`refused`): `malformed`, `forged`, `other-session` or
## `expired`. Takes whatever a stranger sent.
func verify_seat_token(token: String) -> Dictionary:
	return _verify(token, "seat")


## The same of somebody who only watches. Report them with `joined` and `left` like a player.
func verify_spectator_token(token: String) -> Dictionary:
	return _verify(token, "watch")


func _verify(token: String, kind: String) -> Dictionary:
	var form := RegEx.create_from_string("^v1\\.([A-Za-z0-9_-]+)\\.([A-Za-z0-9_-]+)\\z")
	var parts: RegExMatch = form.search(token) if token.length() <= LONGEST_TOKEN else null
	if parts == null or parts.get_string(1).length() % 4 == 1:
		return {"refused": "malformed"}
	var body := parts.get_string(1)
	if seat_secret == "" or not _is_signed("v1." + body, parts.get_string(2)):
		return {"refused": "forged"}
	var payload := _object_in(_from_base64url(body))
	var sid: Variant = payload.get("sid")
	var uid: Variant = payload.get("uid")
	var expires: Variant = payload.get("exp")
	var is_kind: bool = payload.get("t") is String and payload["t"] == kind
	if not is_kind or not _is_name(sid) or not _is_name(uid) or not _is_moment(expires):
		return {"refused": "malformed"}
	if sid != session_id:
		return {"refused": "other-session"}
	if expires <= now.call():
		return {"refused": "expired"}
	return {"user_id": uid}


## The server can take players. (`ready` is a signal of every node.)
func ready_for_players() -> Dictionary:
	return await _report("gameye_server_ready", {}, {})


## Players are in. Send those away whom it answers as `refused`: there is no seat for them. Also answers `player_count`.
func joined(user_ids: Array) -> Dictionary:
	return await _report("gameye_server_join", {"user_ids": user_ids}, {"player_count": 0.0, "refused": []})


## Players have left. `hold`: they lost the connection, and their seats are held for a while. Answers `player_count`.
func left(user_ids: Array, hold := false) -> Dictionary:
	var body := {"user_ids": user_ids}
	if hold:
		body["hold"] = true
	return await _report("gameye_server_leave", body, {"player_count": 0.0})


## The server is alive. Every other call says so as well.
func heartbeat() -> Dictionary:
	return await _report("gameye_server_heartbeat", {}, {})


## What came of the session, or of one of its rounds. Answers `id`, and `stored`: false when it was known before.
func result(document: Dictionary, round_name := "") -> Dictionary:
	var body := {"result": document}
	if round_name != "":
		body["round"] = round_name
	return await _report("gameye_server_result", body, {"id": "", "stored": false})


## Others may be seated here. Answers `open`.
func open() -> Dictionary:
	return await _report("gameye_server_backfill", {"open": true}, {"open": false})


## Nobody else is seated here. Answers `open`.
func closed() -> Dictionary:
	return await _report("gameye_server_backfill", {"open": false}, {"open": false})


## The game is over: the session is stopped, this process with it.
func end() -> Dictionary:
	return await _report("delete_instance_info", {}, {})


## `defaults`: the fields of the answer, for when one is missing or of a wrong kind.
func _report(rpc: String, body: Dictionary, defaults: Dictionary) -> Dictionary:
	var request := {
		"method": "POST",
		"url": "%s/v2/rpc/%s?unwrap=" % [nakama_url.rstrip("/"), rpc],
		"headers": {"Authorization": "Bearer " + server_token, "Content-Type": "application/json"},
		"body": _json(body),
	}
	var turn := _next_turn
	_next_turn += 1
	while turn != _turn:
		await _turn_ended
	var answer := await _send_until_settled(request)
	_turn += 1
	_turn_ended.emit()
	return _with_values(answer, defaults)


func _send_until_settled(request: Dictionary) -> Dictionary:
	if nakama_url == "" or server_token == "":
		return {"outcome": "done", "fields": {}}
	var tries := 0
	while true:
		tries += 1
		var response: Dictionary = await send.call(request)
		var answer := _judge(response["status"], response["body"])
		var is_conflict: bool = answer["outcome"] == "refused" and answer["code"] == CONFLICT
		var passes: bool = answer["outcome"] == "unavailable" or (is_conflict and tries < CONFLICT_TRIES)
		if not passes or tries > WAITS_MS.size():
			return answer
		await sleep.call(WAITS_MS[tries - 1])
	return {}


## What an answer means. One that is no JSON object is a proxy's: Nakama has not answered.
func _judge(status: int, text: String) -> Dictionary:
	var read: Variant = GameyeJson.new(text).read()
	if status == 0 or not read is Dictionary:
		var message := "Status %d, and nothing that Nakama says." % status
		return {"outcome": "unavailable", "code": UNAVAILABLE, "message": message}
	var fields: Dictionary = read
	if status >= 200 and status < 300:
		return {"outcome": "done", "fields": fields}
	var code := int(fields["code"]) if fields.get("code") is float else 0
	if code == 0:
		code = UNAVAILABLE if status >= 500 else 3
	var message: String = fields["message"] if fields.get("message") is String else "Status %d." % status
	var outcome := "unavailable" if code == UNAVAILABLE or status >= 500 else "refused"
	return {"outcome": outcome, "code": code, "message": message}


func _with_values(answer: Dictionary, defaults: Dictionary) -> Dictionary:
	if answer["outcome"] != "done":
		return answer
	var values := {"outcome": "done"}
	for field: String in defaults:
		var value: Variant = answer["fields"].get(field)
		values[field] = value if typeof(value) == typeof(defaults[field]) else defaults[field]
	if values.has("refused"):
		values["refused"] = values["refused"].filter(func(id: Variant) -> bool: return id is String)
	if values.has("player_count"):
		values["player_count"] = int(values["player_count"])
	return values


func _send_by_http(request: Dictionary) -> Dictionary:
	var http := HTTPRequest.new()
	http.max_redirects = 0
	http.timeout = REQUEST_TIMEOUT_S
	add_child(http)
	var headers := PackedStringArray()
	for field: String in request["headers"]:
		headers.append("%s: %s" % [field, request["headers"][field]])
	var answer := {"status": 0, "body": ""}
	if http.request(request["url"], headers, HTTPClient.METHOD_POST, request["body"]) == OK:
		# result, status, headers, body
		var completed: Array = await http.request_completed
		if completed[0] == HTTPRequest.RESULT_SUCCESS:
			answer = {"status": completed[1], "body": _text_of(completed[3])}
	http.queue_free()
	return answer


func _sleep(ms: int) -> void:
	await get_tree().create_timer(ms / 1000.0).timeout


func _is_signed(text: String, signature: String) -> bool:
	var context := HMACContext.new()
	context.start(HashingContext.HASH_SHA256, seat_secret.to_utf8_buffer())
	context.update(text.to_utf8_buffer())
	var right := Marshalls.raw_to_base64(context.finish()).replace("+", "-").replace("/", "_").rstrip("=")
	# In constant time: how long it takes tells nothing of the right one.
	return Crypto.new().constant_time_compare(right.to_utf8_buffer(), signature.to_utf8_buffer())


func _from_base64url(text: String) -> PackedByteArray:
	var padding := "=".repeat((4 - text.length() % 4) % 4)
	return Marshalls.base64_to_raw(text.replace("-", "+").replace("_", "/") + padding)


## The object that these bytes are as JSON; empty when they are anything else.
func _object_in(bytes: PackedByteArray) -> Dictionary:
	var read: Variant = GameyeJson.new(_text_of(bytes)).read()
	return read if read is Dictionary else {}


## Empty for what Godot would cut off or leave out silently: a NUL and a byte order mark, which JSON has nowhere.
func _text_of(bytes: PackedByteArray) -> String:
	if bytes.has(0) or bytes.slice(0, 3) == PackedByteArray([0xEF, 0xBB, 0xBF]):
		return ""
	return bytes.get_string_from_utf8()


func _is_name(value: Variant) -> bool:
	if not value is String or value == "":
		return false
	for i: int in value.length():
		if value.unicode_at(i) < 0x20:
			return false
	return true


func _is_moment(value: Variant) -> bool:
	return value is float and value >= 0.0 and value <= GREATEST_WHOLE_NUMBER and value == floorf(value)


## Godot's own writer leaves control characters as they are, which is no JSON.
func _json(value: Variant) -> String:
	match typeof(value):
		TYPE_DICTIONARY:
			var fields := PackedStringArray()
			for field: Variant in value:
				fields.append("%s:%s" % [_json_text(str(field)), _json(value[field])])
			return "{%s}" % ",".join(fields)
		TYPE_ARRAY, TYPE_PACKED_STRING_ARRAY, TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY, TYPE_PACKED_FLOAT64_ARRAY:
			var items := PackedStringArray()
			for item: Variant in value:
				items.append(_json(item))
			return "[%s]" % ",".join(items)
		TYPE_STRING, TYPE_STRING_NAME:
			return _json_text(str(value))
		TYPE_FLOAT:
			return JSON.stringify(value, "", false, true) if is_finite(value) else "null"
	return JSON.stringify(value)


func _json_text(text: String) -> String:
	var written := ""
	for i: int in text.length():
		var unit := text.unicode_at(i)
		if unit < 0x20:
			written += "\\u%04x" % unit
		else:
			written += "\\" + text[i] if unit == 0x22 or unit == 0x5C else text[i]
	return '"%s"' % written


## Reads JSON strictly: Godot's own reader takes much that is none. Numbers are floats.
class GameyeJson:
	const DEEPEST_LEVEL := 64

	var _text: String
	var _at := 0
	var _is_wrong := false

	func _init(text: String) -> void:
		_text = text

	## The value; null also when the text is no JSON.
	func read() -> Variant:
		var value: Variant = _value(0)
		_skip_blanks()
		return null if _is_wrong or _at < _text.length() else value

	func _value(level: int) -> Variant:
		_skip_blanks()
		if level > DEEPEST_LEVEL or _is_wrong:
			_is_wrong = true
			return null
		match _peek():
			0x7B:
				return _object(level)
			0x5B:
				return _list(level)
			0x22:
				return _string()
			0x74:
				return _word("true", true)
			0x66:
				return _word("false", false)
			0x6E:
				return _word("null", null)
		return _number()

	func _object(level: int) -> Dictionary:
		var fields := {}
		_at += 1
		_skip_blanks()
		if _took(0x7D):
			return fields
		while not _is_wrong:
			_skip_blanks()
			var field := _string()
			_skip_blanks()
			_take(0x3A)
			fields[field] = _value(level + 1)
			_skip_blanks()
			if not _took(0x2C):
				break
		_take(0x7D)
		return fields

	func _list(level: int) -> Array:
		var items := []
		_at += 1
		_skip_blanks()
		if _took(0x5D):
			return items
		while not _is_wrong:
			items.append(_value(level + 1))
			_skip_blanks()
			if not _took(0x2C):
				break
		_take(0x5D)
		return items

	func _string() -> String:
		_take(0x22)
		var value := ""
		while not _is_wrong and not _took(0x22):
			var unit := _peek()
			_at += 1
			if unit < 0x20:  # Also at the end of the text.
				_is_wrong = true
			elif unit == 0x5C:
				value += _escaped()
			else:
				value += String.chr(unit)
		return value

	func _escaped() -> String:
		var letter := String.chr(maxi(_peek(), 1))
		_at += 1
		var simple := {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
		if simple.has(letter):
			return simple[letter]
		if letter != "u":
			_is_wrong = true
			return ""
		var unit := _unit()
		if unit >= 0xD800 and unit < 0xDC00 and _text.substr(_at, 2) == "\\u":
			var before := _at
			_at += 2
			var low := _unit()
			if low >= 0xDC00 and low < 0xE000:
				return String.chr(0x10000 + (unit - 0xD800) * 0x400 + low - 0xDC00)
			_at = before
		if unit >= 0xD800 and unit < 0xE000:
			return String.chr(0xFFFD)
		# Godot's texts have no NUL; another control character is refused in the same places.
		return String.chr(maxi(unit, 1))

	func _unit() -> int:
		var digits := _text.substr(_at, 4)
		_at += 4
		for i: int in 4:
			if i >= digits.length() or not "0123456789abcdefABCDEF".contains(digits[i]):
				_is_wrong = true
				return 0
		return digits.hex_to_int()

	func _word(word: String, value: Variant) -> Variant:
		_is_wrong = _is_wrong or _text.substr(_at, word.length()) != word
		_at += word.length()
		return value

	func _number() -> float:
		var start := _at
		_took(0x2D)
		if not _took(0x30):
			_digits()
		if _took(0x2E):
			_digits()
		if _took(0x65) or _took(0x45):
			if not _took(0x2B):
				_took(0x2D)
			_digits()
		return _text.substr(start, _at - start).to_float()

	func _digits() -> void:
		_is_wrong = _is_wrong or not _is_digit()
		while _is_digit():
			_at += 1

	func _is_digit() -> bool:
		return _peek() >= 0x30 and _peek() <= 0x39

	## The next character; 0 at the end, which Godot's texts have nowhere.
	func _peek() -> int:
		return _text.unicode_at(_at) if _at < _text.length() else 0

	func _took(unit: int) -> bool:
		if _peek() != unit:
			return false
		_at += 1
		return true

	func _take(unit: int) -> void:
		if not _took(unit):
			_is_wrong = true

	func _skip_blanks() -> void:
		while _peek() in [0x20, 0x09, 0x0D, 0x0A]:
			_at += 1

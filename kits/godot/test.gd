extends SceneTree
## Runs the vectors against the kit: godot --headless --script test.gd -- <folder of the vectors>

var _ran := 0
var _has_failed := false
var _kit: Variant


func _initialize() -> void:
	_kit = load(get_script().resource_path.get_base_dir().path_join("gameye_server.gd"))
	var arguments := OS.get_cmdline_user_args()
	var folder := arguments[0] if arguments.size() > 0 else "../vectors"
	var tokens: Array = _read(folder + "/tokens.json")
	var calls: Dictionary = _read(folder + "/calls.json")
	for vector: Dictionary in tokens:
		_token(vector)
	for vector: Dictionary in calls["requests"]:
		await _requested(vector)
	for vector: Dictionary in calls["answers"]:
		await _answered(vector)
	for vector: Dictionary in calls["repetitions"]:
		await _repeated(vector)
	print("%d vectors" % _ran)
	quit(1 if _has_failed else 0)


func _read(path: String) -> Variant:
	return _kit.GameyeJson.new(FileAccess.get_file_as_string(path)).read()


func _token(vector: Dictionary) -> void:
	var server: Node = _kit.new()
	server.seat_secret = vector["secret"]
	server.session_id = vector["session_id"]
	server.now = func() -> float: return vector["now"]
	var expected := {"user_id": vector["user_id"]} if vector["refused"] == "" else {"refused": vector["refused"]}
	var token: String = vector["token"]
	_check(vector, server.verify_spectator_token(token) if vector["spectator"] else server.verify_seat_token(token), expected)
	server.free()
	_ran += 1


func _requested(vector: Dictionary) -> void:
	var played := Played.new(_kit, [{"status": 200, "body": "{}"}])
	played.server.nakama_url = vector["nakama_url"]
	played.server.server_token = vector["server_token"]
	var answer := await _call(played.server, vector["call"], vector["arguments"])
	_check(vector, answer["outcome"], "done")
	for request: Dictionary in played.sent:
		request["body"] = _kit.GameyeJson.new(request["body"]).read()
	_check(vector, played.sent, [vector["request"]] if vector["request"] != null else [])
	played.server.free()
	_ran += 1


func _answered(vector: Dictionary) -> void:
	var answers := []
	for i: int in int(vector["tries"]):
		answers.append({"status": int(vector["status"]), "body": vector["body"]})
	var played := Played.new(_kit, answers)
	var answer := await _call(played.server, vector["call"], {})
	var expected := {"outcome": vector["outcome"]}
	if vector["outcome"] == "done":
		expected.merge(vector["value"])
	else:
		expected.merge({"code": vector["code"], "message": vector["message"]})
		if vector["message"] == "":
			answer["message"] = ""
	_check(vector, answer, expected)
	_check(vector, played.sent.size(), int(vector["tries"]))
	played.server.free()
	_ran += 1


func _repeated(vector: Dictionary) -> void:
	var played := Played.new(_kit, vector["answers"])
	var answer := await _call(played.server, vector["call"], {})
	var found := [answer["outcome"], answer.get("code", 0), played.waits, played.sent.size()]
	_check(vector, found, [vector["outcome"], vector["code"], vector["waits_ms"], vector["answers"].size()])
	played.server.free()
	_ran += 1


func _call(server: Node, called: String, given: Dictionary) -> Dictionary:
	match called:
		"ready":
			return await server.ready_for_players()
		"joined":
			return await server.joined(given.get("user_ids", []))
		"left":
			return await server.left(given.get("user_ids", []), given.get("hold", false))
		"heartbeat":
			return await server.heartbeat()
		"result":
			return await server.result(given.get("result", {}), given.get("round", ""))
		"open":
			return await server.open()
		"closed":
			return await server.closed()
	return await server.end()


func _check(vector: Dictionary, found: Variant, expected: Variant) -> void:
	if _is_same(found, expected):
		return
	_has_failed = true
	printerr("%s: found %s, expected %s" % [vector["name"], found, expected])


## Godot's numbers are the same whether whole or not only when compared one by one.
func _is_same(a: Variant, b: Variant) -> bool:
	if a is Dictionary and b is Dictionary:
		return (
			a.size() == b.size()
			and a.keys().all(func(key: Variant) -> bool: return b.has(key) and _is_same(a[key], b[key]))
		)
	if a is Array and b is Array:
		return a.size() == b.size() and range(a.size()).all(func(i: int) -> bool: return _is_same(a[i], b[i]))
	if (a is int or a is float) and (b is int or b is float):
		return a == b
	return typeof(a) == typeof(b) and a == b


## A server of the kit that gets these answers one after the other, and what it did.
class Played:
	var server: Node
	var sent := []
	var waits := []

	func _init(kit: Variant, answers: Array) -> void:
		server = kit.new()
		server.nakama_url = "http://nakama"
		server.server_token = "t"
		server.send = func(request: Dictionary) -> Dictionary:
			sent.append(request)
			if sent.size() > answers.size():
				return {"status": 400, "body": '{"code": -1, "message": "one request too many"}'}
			var answer: Dictionary = answers[sent.size() - 1]
			return {"status": int(answer["status"]), "body": answer["body"]}
		server.sleep = func(ms: int) -> void: waits.append(ms)

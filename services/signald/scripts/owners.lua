-- owners: who looks after each participant; for the reaper.
local list = {}
for _, text in ipairs(members()) do
  local p = cjson.decode(text)
  list[#list + 1] = encode({ id = p.id, signald = p.signald, signald_epoch = p.signald_epoch,
                             connected = p.connected, detached_at = p.detached_at })
end
return '{"ok":true,"exists":' .. tostring(redis.call('EXISTS', state) == 1) ..
  ',"participants":[' .. table.concat(list, ',') .. ']}'

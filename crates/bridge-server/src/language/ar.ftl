# العربية. كل رسالة في سطر واحد، وتبدأ بكلمة عربية حتى يُعرض النص من اليمين إلى اليسار.
# تختار FORM صيغة المعدود، وهي في texts.rs.

### الخدمة
internal = حدث خطأ داخل الخدمة
busy = بلغت الخدمة حدّها الأقصى؛ أعد المحاولة بعد قليل
database_away = تعذّر الوصول إلى قاعدة البيانات؛ أعد المحاولة بعد قليل
value_not_storable = إحدى القيم لها صيغة أو طول لا يمكن حفظه
taken = قيمة { $what } مستخدمة من قبل
service_stopping = الخدمة قيد التوقف

### الطلبات
no_such_path = لا يوجد مسار بهذا الاسم
no_such_file = لا تتضمن الصفحة ملفًا بهذا الاسم
page_not_shown = تعذّر عرض الصفحة
no_such_method = لا يقبل هذا المسار الطريقة { $method }
body_not_json = نص الطلب ليس JSON صالحًا: السطر { $line }، العمود { $column }
body_not_object = يجب أن يكون نص الطلب كائن JSON
body_not_sent_as_json = يجب إرسال نص الطلب بنوع application/json
body_not_sent_as_form = يجب إرسال نص الطلب بنوع multipart/form-data
form_unreadable = تعذّرت قراءة النموذج
body_too_large = { FORM($bytes) ->
    [zero] لا يُقبل نص للطلب هنا (الحد { $bytes } بايت)
    [one] نص الطلب أكبر من بايت واحد
    [two] نص الطلب أكبر من بايتين
    [few] نص الطلب أكبر من { $bytes } بايتات
    [many] نص الطلب أكبر من { $bytes } بايتًا
   *[other] نص الطلب أكبر من { $bytes } بايت
}
body_unread = تعذّرت قراءة نص الطلب
body_late = لم يصل نص الطلب في الوقت المحدد
body_form = نص الطلب ليس بالصيغة المتوقعة
query_form = معاملات الطلب ليست بالصيغة المتوقعة
path_form = المسار ليس بالصيغة المتوقعة
message_form = الرسالة ليست بالصيغة المتوقعة
message_not_json = الرسالة ليست JSON صالحًا: السطر { $line }، العمود { $column }
request_too_slow = استغرق الطلب وقتًا أطول من اللازم؛ أعد المحاولة بعد قليل
too_many_requests = الطلبات المتزامنة كثيرة جدًا؛ أعد المحاولة بعد قليل
limit_reached = { FORM($seconds) ->
    [zero] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة الآن (المهلة { $seconds } ثانية)
    [one] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة بعد ثانية واحدة
    [two] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة بعد ثانيتين
    [few] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثوانٍ
    [many] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثانيةً
   *[other] الطلبات من هذا النوع كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثانية
}

### تسجيل الدخول والرموز
access_token_needed = يلزم رمز وصول: Authorization: Bearer …
refresh_token_needed = يلزم رمز تجديد: Authorization: Bearer …، أو refresh_token في نص الطلب
push_key_needed = يلزم مفتاح إرسال: Authorization: Bearer … أو X-API-Key: …
push_key_not_valid = يلزم مفتاح إرسال صالح: X-API-Key: bcpk_…، أو بصيغة bearer
push_key_not_from_there = لا يجوز استخدام مفتاح الإرسال هذا من العنوان { $address }؛ والعناوين المسموح بها مذكورة في push_allowed_addresses للنظام
push_key_from_nowhere = لا يجوز استخدام مفتاح الإرسال هذا إلا من عناوين معيّنة، والعنوان الذي جاء منه هذا الطلب غير معروف
metrics_token_needed = يلزم رمز المقاييس: Authorization: Bearer …
token_not_valid = الرمز غير صالح
access_token_expected = يلزم هنا رمز وصول
refresh_token_expected = يلزم هنا رمز تجديد
token_run_out = انتهت صلاحية الرمز
access_token_run_out = انتهت صلاحية رمز الوصول
session_ended = انتهت الجلسة؛ سجّل الدخول من جديد
wrong_credentials = اسم المستخدم أو كلمة المرور غير صحيحة
too_many_log_ins = { FORM($seconds) ->
    [zero] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة الآن (المهلة { $seconds } ثانية)
    [one] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد ثانية واحدة
    [two] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد ثانيتين
    [few] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثوانٍ
    [many] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثانيةً
   *[other] محاولات تسجيل الدخول كثيرة جدًا؛ أعد المحاولة بعد { $seconds } ثانية
}
too_many_logins = عمليات تسجيل الدخول كثيرة جدًا الآن؛ أعد المحاولة بعد قليل
token_in_use = تقوم طلبات أخرى بتجديد هذا الرمز؛ أعد المحاولة
token_not_signed = تعذّر توقيع الرمز
password_not_checked = تعذّر التحقق من كلمة المرور
logged_out = تم تسجيل الخروج

### المستخدمون
admins_only = هذا الإجراء متاح للمسؤول فقط
others_for_admins_only = لا يمكن إلا للمسؤول الاطلاع على المستخدمين الآخرين
no_such_user = لا يوجد مستخدم كهذا
last_admin_stays = يجب أن يبقى آخر مسؤول نشط
not_oneself = لا يمكنك حذف حسابك بنفسك؛ يمكن لمسؤول آخر ذلك
not_ones_own_user_id = يجب أن تكون قيمة user_id قيمة صاحب الطلب نفسه

### الأنظمة
no_such_system = لا يوجد نظام باسم { $system }
system_stays_primary = النظام { $system } هو النظام الأساسي؛ اجعل نظامًا آخر أساسيًا أولًا (PUT /api/v1/systems/{ "{" }system_id{ "}" } مع "is_primary": true)
system_too_slow = { FORM($seconds) ->
    [zero] لم يُجب النظام في الحال (المهلة { $seconds } ثانية)
    [one] لم يُجب النظام خلال ثانية واحدة
    [two] لم يُجب النظام خلال ثانيتين
    [few] لم يُجب النظام خلال { $seconds } ثوانٍ
    [many] لم يُجب النظام خلال { $seconds } ثانيةً
   *[other] لم يُجب النظام خلال { $seconds } ثانية
}
connection_not_decrypted = تعذّر فك تشفير بيانات الاتصال المحفوظة للنظام

### ما يقوله نظام ERP أو الاتصال به
erp_said = { $text }
erp_unreachable = تعذّر الوصول إلى نظام ERP: { $text }
erp_too_slow = لم يُجب نظام ERP في الوقت المحدد: { $text }
erp_refused_credential = رفض نظام ERP بيانات الدخول: { $text }
erp_failed = أبلغ نظام ERP عن خطأ: { $text }
erp_record_without_id = أعاد نظام ERP سجلًا بلا معرّف
erp_database = قاعدة بيانات نظام ERP: { $text }

### السجلات
system_not_active = النظام { $system } موقوف
operation_not_allowed = العملية { $operation } على { $model } غير مسموح بها؛ يمكن للمسؤول السماح بها، أو اربط بيانات دخولك الخاصة
method_not_allowed = الدالة { $method } للنموذج { $model } غير مسموح بها؛ يمكن للمسؤول السماح بها، أو اربط بيانات دخولك الخاصة
barcode_unknown = لا يوجد في هذا النظام منتج أو تغليف أو دفعة بهذا الباركود
no_such_record = لا يوجد سجل كهذا في { $model } أو لا يحق لك الاطلاع عليه
no_such_attachment = لا يوجد ملف كهذا أو لا يحق لك قراءته
file_too_large = الملف أكبر مما تقبله هذه الخدمة
file_type_not_taken = لا تُقبل الملفات من النوع { $kind }
range_beyond_file = ينتهي الملف قبل هذا النطاق
file_storage_away = تعذّر الوصول إلى مخزن الملفات؛ أعد المحاولة بعد قليل
no_such_model = ليس في النظام نموذج باسم { $model }
no_such_erp_method = ليس في النموذج { $model } دالة عامة بهذا الاسم
erp_address_private = عنوان النظام خاص، ولا يتصل BridgeCore بالعناوين الخاصة إلا إذا سمحت إعداداته بذلك: outbound.allow_private = true أو ذكر العنوان في outbound.allowed_addresses
erp_address_refused = عنوان النظام ليس عامًا ({ $kind })، ولا يتصل به BridgeCore إلا إذا سمحت إعداداته بذلك: ذكر العنوان في outbound.allowed_addresses
erp_saturated = الطلبات على هذا النظام كثيرة جدًا الآن؛ أعد المحاولة بعد قليل
circuit_open = لم يُجب النظام عدة مرات متتالية ولن يُسأل لبعض الوقت؛ أعد المحاولة لاحقًا
outcome_unknown = ضاع رد نظام ERP ولا يُعرف هل تم التنفيذ؛ تحقق قبل إعادة الطلب
key_in_use = يجري الآن تنفيذ طلب بهذا المفتاح Idempotency-Key؛ أعد المحاولة بعد قليل
key_reused = استُخدم هذا المفتاح Idempotency-Key لطلب آخر
no_such_link = ليس لهذا المستخدم بيانات دخول خاصة في هذا النظام
erp_denied = نظام ERP لا يسمح بذلك: { $text }
erp_link_refused = رفض نظام ERP بيانات دخول المستخدم الخاصة ويجب ربطها من جديد: { $text }
records_deleted = { FORM($count) ->
    [zero] لم يُحذف أي سجل ({ $count })
    [one] تم حذف السجل بنجاح
    [two] تم حذف سجلين بنجاح
    [few] تم حذف { $count } سجلات بنجاح
    [many] تم حذف { $count } سجلًا بنجاح
   *[other] تم حذف { $count } سجل بنجاح
}
operation_after_failed = لم تُنفَّذ: فشلت العملية { $operation }، والدفعة تتوقف عند أول خطأ
operation_needs_other = لم تُنفَّذ: العملية { $operation } التي تشير إليها لم تُنفَّذ
operation_out_of_time = لم تُنفَّذ: انتهى وقت هذا الطلب؛ أرسلها من جديد مع العمليات الأخرى التي لم تُنفَّذ
operation_beyond_answer = لم تُنفَّذ: بلغ الجواب أكبر حجم له؛ أرسلها من جديد مع العمليات الأخرى التي لم تُنفَّذ
too_many_tasks = { $most ->
    [zero] لا يُسمح للمستأجر بأي مهمة لم تنتهِ
    [one] يُسمح للمستأجر بمهمة واحدة لم تنتهِ؛ انتظر حتى تنتهي
    [two] يُسمح للمستأجر بمهمتين لم تنتهيا؛ انتظر حتى تنتهي إحداهما
    [few] يُسمح للمستأجر بعدد { $most } مهام لم تنتهِ؛ انتظر حتى تنتهي إحداها
    [many] يُسمح للمستأجر بعدد { $most } مهمة لم تنتهِ؛ انتظر حتى تنتهي إحداها
   *[other] يُسمح للمستأجر بعدد { $most } مهمة لم تنتهِ؛ انتظر حتى تنتهي إحداها
}
no_such_task = لا توجد مهمة كهذه
task_ended = لم تُنفَّذ: انتهت المهمة قبل ذلك
task_unreadable = تتعذر قراءة ما حُفظ من هذه المهمة
task_user_not_active = لم يعد يُسمح لصاحب هذه المهمة بتسجيل الدخول

### سجل قاعدة بيانات نظام ERP
wal_of_standby = العنوان هو عنوان خادم احتياطي: يُقرأ السجل من الخادم الأساسي
wal_level_too_low = قيمة wal_level في قاعدة البيانات هي { $level }: اضبطها على logical ثم أعد تشغيل الخادم
wal_publication_missing = لا يوجد منشور باسم { $name }: الأمر `bridgecore wal install` ينشئه
wal_publication_unusable = لا يمكن استخدام المنشور { $name }: { $reason }
wal_publication_gone = لم يعد المنشور { $name } موجودًا

### ترحيل الإصدارات
migration_field_missing = لا يوجد في الإصدار { $version } من Odoo الحقل { $field } في { $model }؛ ستُفقد قيمه
migration_value_not_kept = للحقل { $field } في { $model } صيغة أخرى في الإصدار { $version } من Odoo لا يمكن دائمًا استرجاع قيمته منها
migration_computed = يحسب الإصدار { $version } من Odoo الحقل { $field } في { $model } بنفسه؛ لا تُنقل قيمه
migration_not_stored = يُحسب الحقل { $field } في { $model } عند قراءته ابتداءً من الإصدار { $version } من Odoo؛ قد يُتجاهل ما يُكتب فيه
migration_required = يجب أن يتضمن كل سجل من { $model } الحقل { $field } في الإصدار { $version } من Odoo، ولا شيء يملؤه
migration_relation_changed = يشير الحقل { $field } في { $model } إلى نموذج آخر في الإصدار { $version } من Odoo، ولسجلاته معرّفات أخرى
migration_conflict = الاسم الجديد للحقل { $field } في { $model } في الإصدار { $version } من Odoo مستخدم من قبل؛ تبقى القيمة تحت اسمها القديم
migration_manual = يحتاج الحقل { $field } في { $model } إلى مراجعة يدوية في الإصدار { $version } من Odoo
migration_manual_model = يحتاج النموذج { $model } إلى مراجعة يدوية في الإصدار { $version } من Odoo
migration_model_renamed = للنموذج { $model } اسم آخر في الإصدار { $version } من Odoo
migration_model_missing = لا يوجد في الإصدار { $version } من Odoo النموذج { $model }
migration_no_rules = لا توجد قواعد للنموذج { $model } في الطريق إلى الإصدار { $version } من Odoo؛ تمر سجلاته كما هي
record_not_there = لا يوجد سجل بالرقم { $record }
no_such_entity = لا يوجد كيان باسم { $entity }

### المزامنة
other_requests_of_device = تخللت ذلك طلبات أخرى من هذا الجهاز؛ أعد المحاولة
not_synced_yet = لم تتم مزامنة هذا الجهاز بعد
no_sync_state = لا توجد حالة مزامنة للمستخدم { $user } على الجهاز { $device }
sync_token_form = يجب أن يكون رمز المزامنة عددًا صحيحًا بدءًا من 0 ومكتوبًا بالأرقام
never_handed_out = لم يُسلَّم هذا الرمز قط لهذا الجهاز ونوع التطبيق والنظام ومرشّح النماذج
position_not_in_log = لا يصل السجل إلى هذا الموضع
state_reset = أُعيد ضبط حالة المزامنة: اقرأ السجلات الحالية ثم تابع السحب من snapshot_position
answer_not_written = تعذّرت كتابة الإجابة
page_token_not_signed = تعذّر توقيع رمز الصفحة
page_token_too_long = رمز الصفحة هذا أطول من أن يكون صادرًا عن هذه الخدمة
page_token_not_ours = رمز الصفحة هذا غير صادر عن هذه الخدمة
page_token_of_another = رمز الصفحة هذا يخص مستخدمًا أو جهازًا أو نوع تطبيق أو نظامًا أو مرشّح نماذج آخر
page_token_run_out = انتهت صلاحية رمز الصفحة هذا: ابدأ اللقطة من جديد
rights_unknown = تعذّر سؤال نظام ERP عمّا يحق لهذا المستخدم قراءته
rights_late = لم يوضح نظام ERP في الوقت المحدد ما يحق لهذا المستخدم قراءته
no_erp_user = هذا المستخدم غير مرتبط بمستخدم في نظام ERP
no_erp_user_to_read_as = هذا المستخدم غير مرتبط بمستخدم في نظام ERP، فلا يمكن معرفة ما يحق له قراءته؛ يحدد المسؤول odoo_user_id
no_erp_user_in_system = هذا المستخدم غير مرتبط بمستخدم في هذا النظام
linked_system_gone = النظام الذي يرتبط به هذا المستخدم غير موجود؛ يحدد المسؤول odoo_user_id من جديد
linked_user_gone = مستخدم نظام ERP المرتبط غير موجود أو غير نشط؛ يحدد المسؤول odoo_user_id من جديد
no_system_to_read = لا يوجد نظام للقراءة منه
primary_system_only = تُقرأ سجلات النظام الأساسي فقط، ما لم يحدد الطلب نظامًا آخر
records_late = لم يقدّم نظام ERP السجلات في الوقت المحدد

### الإشعارات الواردة
too_many_events = { FORM($most) ->
    [zero] لا تُقبل أحداث في الطلب الواحد (الحد { $most })
    [one] الحد الأقصى حدث واحد في الطلب الواحد
    [two] الحد الأقصى حدثان في الطلب الواحد
    [few] الحد الأقصى { $most } أحداث في الطلب الواحد
    [many] الحد الأقصى { $most } حدثًا في الطلب الواحد
   *[other] الحد الأقصى { $most } حدث في الطلب الواحد
}
no_event_understood = تعذّر فهم أي حدث في هذا الطلب: { $reason }
no_such_dead_letter = لا يوجد حدث مرفوض بهذا الرقم
retry_under_way = هناك طلب آخر يعيد معالجة الأحداث المرفوضة لهذه المؤسسة؛ أعد المحاولة بعد قليل
metrics_not_written = تعذّرت كتابة المقاييس

### التغييرات المباشرة
too_many_connections = الاتصالات المفتوحة كثيرة جدًا؛ أعد المحاولة بعد قليل
websocket_expected = لا يقبل هذا المسار إلا اتصالات WebSocket
token_of_another_user = هذا الرمز يخص مستخدمًا آخر
service_stops = الخدمة تتوقف؛ تابع من آخر موضع
first_message_must_be_auth = يجب أن تكون الرسالة الأولى auth
no_token_in_time = لم يصل أي رمز في الوقت المحدد
token_expired = انتهت صلاحية الرمز
user_was_changed = تغيّرت بيانات المستخدم؛ اتصل من جديد
no_answer_to_heartbeats = لا رد على نبضتين متتاليتين
client_does_not_read = العميل لا يقرأ؛ تابع من آخر موضع
connection_gone = انقطع الاتصال
closed_by_client = أغلقه العميل
only_text = لا تُفهم إلا الرسائل النصية
message_unreadable = تعذّرت قراءة الرسالة

### ما الخطأ في الحقل: صيغته
is_missing = الحقل { $field } مفقود
given_twice = الحقل { $field } مكرر
unexpected_form = الحقل { $field } ليس بالصيغة المتوقعة
documented_form = يجب أن يكون الحقل { $field } بالصيغة الموثقة
no_documented_form = الحقل { $field } ليس بأي من الصيغ الموثقة
text = يجب أن يكون الحقل { $field } نصًا
number = يجب أن يكون الحقل { $field } عددًا
number_or_text = يجب أن يكون الحقل { $field } عددًا أو نصًا
whole_number = يجب أن يكون الحقل { $field } عددًا صحيحًا
whole_number_from_0 = يجب أن يكون الحقل { $field } عددًا صحيحًا لا يقل عن 0
whole_number_to = يجب أن يكون الحقل { $field } عددًا صحيحًا من 0 إلى { $most }
whole_number_in_range = يجب أن يكون الحقل { $field } عددًا صحيحًا ضمن نطاقه
true_or_false = يجب أن يكون الحقل { $field } إما true أو false
list = يجب أن يكون الحقل { $field } قائمة
list_of_documented_length = يجب أن يكون الحقل { $field } قائمة بالطول الموثق
object = يجب أن يكون الحقل { $field } كائنًا
null = يجب أن يكون الحقل { $field } null
utf8 = يجب أن يكون الحقل { $field } بترميز UTF-8
one_of = يجب أن يكون الحقل { $field } إحدى القيم التالية: { $choices }
one_of_two = يجب أن يكون الحقل { $field } إما '{ $one }' أو '{ $other }'

### القيم
between = يجب أن يكون الحقل { $field } بين { $least } و{ $most }
greater_than_0 = يجب أن يكون الحقل { $field } أكبر من 0
not_empty = يجب ألا يكون الحقل { $field } فارغًا
chars = يجب أن يكون عدد أحرف الحقل { $field } من { $least } إلى { $most }
one_line = يجب أن يكون الحقل { $field } سطرًا واحدًا عدد أحرفه من 1 إلى { $most }، بلا مسافات في أوله أو آخره
description = يجب ألا يتجاوز عدد أحرف الحقل { $field } { $most }، وألا يحتوي على أحرف تحكم
printable = يجب أن يكون عدد أحرف الحقل { $field } من 1 إلى { $most }، وكلها قابلة للطباعة
no_zero_byte = يجب أن يكون حجم الحقل { $field } بالبايت من 1 إلى { $most }، بلا بايت صفري
language = يجب أن يكون الحقل { $field } إحدى القيم en أو ar أو fr، ويجوز إضافة المنطقة مثل ar_SA
system_id_form = يجب أن يكون عدد أحرف الحقل { $field } من 1 إلى 64 من بين a-z وA-Z و0-9 و'_' و'-' و'.'، وأن يبدأ بحرف أو رقم
device_id_form = يجب أن يكون عدد أحرف الحقل { $field } من 3 إلى 128 من بين a-z وA-Z و0-9 و'_-.:@'
app_type_form = يجب أن يكون عدد أحرف الحقل { $field } من 1 إلى 64 من بين a-z و0-9 و'_'
model_form = يجب أن يكون عدد أحرف الحقل { $field } من 1 إلى 128 من بين a-z وA-Z و0-9 و'_' و'-' و'.'
token_form = يجب أن يكون الحقل { $field } رمزًا: أرقامًا، نصًا أو عددًا
position_or_time = يجب أن يكون الحقل { $field } موضعًا بالأرقام أو وقتًا بصيغة RFC 3339

### ما يجتمع من الحقول
model_not_found_yet = الحقل { $field } ليس نموذجًا في هذا النظام، أو لم يُبحث عنه بعد
model_gone = يذكر الحقل { $field } نموذجًا لم يعد موجودًا
model_never_tracked = لا يمكن أن يكون الحقل { $field } { $strategy }: هذا النموذج لا يُتابَع أبدًا
strategy_not_available = لا يمكن أن يكون الحقل { $field } { $strategy } لأنه لا يرى هذا النموذج الآن؛ وما يراه: { $choices }
cursor_of_another_page = يجب أن يكون الحقل { $field } قيمة next_cursor من صفحة أخرى
not_with_cursor = لا يجوز إعطاء الحقل { $field } مع cursor
offset_at_most = يجب ألا يتجاوز الحقل { $field } القيمة { $most }؛ تابع باستخدام cursor
or_device_id = يجب إعطاء الحقل { $field } أو device_id
not_with_another_choice = لا يجوز إعطاء الحقل { $field } مع خيار آخر
not_with = لا يجوز إعطاء الحقل { $field } مع { $other }
only_with = لا يُعطى الحقل { $field } إلا مع { $other }
not_in_target = يؤدي الحقل { $field } إلى { $unknown }، وهو غير موجود في { $model } في النظام الهدف (إصدار Odoo { $version }، القواعد { $pack })
unknown_entity_field = يذكر الحقل { $field } الاسم { $name } وهو غير موجود في { $entity }
unknown_entity_field_near = يذكر الحقل { $field } الاسم { $name } وهو غير موجود في { $entity }؛ أقرب الأسماء إليه: { $nearest }
entity_field_values = يعطي الحقل { $field } للاسم { $name } قيمة غير ممكنة؛ القيم الممكنة: { $values }
entity_field_not_searched = يذكر الحقل { $field } الاسم { $name } وهو محسوب: للقراءة فقط
only_read = الحقل { $field } للقراءة فقط
mapping_form = يجب أن يكون الحقل { $field } اسم حقل في النظام، أو كائنًا يربط حقلًا، أو قائمة من هذه الكائنات، أو null
mapping_unusable = لا يمكن ربط الحقل { $field } بهذه الطريقة
or_record_ids = يجب إعطاء الحقل { $field } أو record_ids
items_between = يجب أن يكون عدد عناصر الحقل { $field } بين { $least } و{ $most }
model_missing_in = يجب أن يكون { $field } نموذجًا موجودًا في الإصدار { $version } من Odoo
or_another_choice = يجب إعطاء الحقل { $field } أو system_id أو reason_contains
dead_letters_at_most = { FORM($most) ->
    [zero] لا يُقبل أي حدث مرفوض في الحقل { $field } (الحد { $most })
    [one] يجب أن يحدد الحقل { $field } حدثًا مرفوضًا واحدًا
    [two] يجب أن يحدد الحقل { $field } حدثًا مرفوضًا أو حدثين
    [few] يجب أن يحدد الحقل { $field } من حدث مرفوض واحد إلى { $most } أحداث
    [many] يجب أن يحدد الحقل { $field } من حدث مرفوض واحد إلى { $most } حدثًا
   *[other] يجب أن يحدد الحقل { $field } من حدث مرفوض واحد إلى { $most } حدث
}
models_at_most = { FORM($most) ->
    [zero] لا يُقبل أي نموذج في الحقل { $field } (الحد { $most })
    [one] يجب ألا يحدد الحقل { $field } أكثر من نموذج واحد
    [two] يجب ألا يحدد الحقل { $field } أكثر من نموذجين
    [few] يجب ألا يحدد الحقل { $field } أكثر من { $most } نماذج
    [many] يجب ألا يحدد الحقل { $field } أكثر من { $most } نموذجًا
   *[other] يجب ألا يحدد الحقل { $field } أكثر من { $most } نموذج
}
unknown_app_type = الحقل { $field } ليس من أنواع التطبيقات المعرّفة في الإعدادات
unknown_model_field = يذكر الحقل { $field } حقلًا غير موجود في النموذج
barcode_check_digit = رقم التحقق في الحقل { $field } خاطئ: يجب أن ينتهي { $digits } بالرقم { $expected }
barcode_identifier = يحتوي الحقل { $field } على «{ $text }» الذي لا يبدأ بأي معرّف تطبيق معروف
barcode_value = يحتوي الحقل { $field } بعد ({ $identifier }) على قيمة ليست بالصيغة { $form }
barcode_day = لا يحتوي الحقل { $field } بعد ({ $identifier }) على يوم بالصيغة YYMMDD
barcode_repeated = يحتوي الحقل { $field } على ({ $identifier }) مرتين بقيمتين مختلفتين
device_named_before = يجب تحديد الحقل { $field } عند الاشتراك حتى يكون لـ ack مؤشر
not_in_address = لا يُقبل الحقل { $field } في العنوان، حيث تسجّله الخوادم الوسيطة

### ما الخطأ في الحقل: السجلات
not_for_action = الحقل { $field } لا معنى له مع الإجراء { $action }
not_with_records = يجب ألا يُعطى الحقل { $field } مع سجلات محددة
not_with_record_id = يجب ألا يُعطى الحقل { $field } مع record_id
items = يجب أن يكون عدد عناصر الحقل { $field } من { $least } إلى { $most }
rows_with_files = يجب ألا يتجاوز الحقل { $field } القيمة { $most } عند قراءة ملفات
file_name = يجب أن يحمل الحقل { $field } اسمًا في سطر واحد حجمه بالبايت من 1 إلى { $most }
kept_by_system = الحقل { $field } يحدده النظام بنفسه
date_form = يجب أن يكون الحقل { $field } تاريخًا مثل 2025-11-16 أو null
time_form = يجب أن يكون الحقل { $field } وقتًا بصيغة RFC 3339 مثل 2025-11-16T10:30:00Z أو null
record_reference = يجب أن يكون الحقل { $field } معرّف سجل أو معرّفًا مع اسم أو null
lines_form = يجب أن يكون الحقل { $field } قائمة معرّفات سجلات أو أوامر
line_form = يجب أن يكون الحقل { $field } أمرًا مثل create أو update أو delete أو link أو unlink أو clear أو set
no_lines = يجب ألا يكون الحقل { $field } قائمة فارغة: الأمر clear يزيل الكل، وما لا يُذكر يبقى كما هو
lines_too_deep = في الحقل { $field } أسطر متداخلة أكثر مما يُقبل
domain_form = يجب أن يكون الحقل { $field } قائمة شروط مع الروابط '&' و'|' و'!'
domain_connective = الحقل { $field } قيمته { $text } وليست رابطًا
domain_condition = يجب أن يكون الحقل { $field } شرطًا: قائمة من حقل ومعامل وقيمة
domain_operand = في الحقل { $field } الرابط { $connective } تليه شروط أقل من اللازم
domain_path = الحقل { $field } قيمته { $path } وليست مسار حقل
domain_operator = الحقل { $field } قيمته { $text } وليست معاملًا
domain_value = الحقل { $field } قيمة لا يقبلها المعامل { $operator }
domain_too_large = الحقل { $field } كبير أو متداخل أكثر مما يُقبل
date_part = الحقل { $field } يطلب جزءًا من التاريخ غير موجود، بخلاف month_number أو day_of_week
not_a_relation = الحقل { $field } يمر عبر { $name } الذي لا يؤدي إلى سجل آخر
since_version = الحقل { $field } يستخدم { $what } الذي يعرفه النظام من الإصدار { $version } فصاعدًا
order_form = يجب أن يكون الحقل { $field } حقولًا بينها فواصل، كل منها مع asc أو desc
context_key = الحقل { $field } ليس من الخيارات المقبولة: { $choices }
erp_language = يجب أن يكون الحقل { $field } لغة مثل ar_001
time_zone = يجب أن يكون الحقل { $field } منطقة زمنية مثل Africa/Casablanca
list_of_ids = يجب أن يكون الحقل { $field } قائمة معرّفات
plain_value = يجب أن يكون الحقل { $field } قيمة بسيطة قصيرة أو قائمة منها
method_form = يجب أن يكون الحقل { $field } اسم دالة عامة
method_has_action = الحقل { $field } هو ما يفعله الإجراء { $action }
context_beside = يجب أن يُعطى الحقل { $field } في context للطلب نفسه
reference_later = يشير { $field } إلى العملية { $operation } التي لا تأتي قبله
reference_missing = يشير { $field } إلى { $text }، وهو ما لم تُجب به تلك العملية

### التنبيهات
alert_circuit_open = لا يجيب { $system }، وسيترك لبعض الوقت
alert_circuit_open_advice = تحقق من أنه يعمل ويمكن الوصول إليه من الخدمة. تعاد المحاولة تلقائيا؛ وإن كان يعمل فالأمر `bridgecore doctor` يقول المزيد.
alert_dead_letters = تعذر فهم أحداث من { $system } ووضعت جانبا
alert_dead_letters_advice = انظر إلى GET /api/v1/webhooks/dead-letters، وأصلح ما تذكره، ثم أعد المحاولة عبر POST /api/v1/webhooks/retry/bulk
alert_source_refused = لا يمكن قراءة تغييرات { $system } ({ $strategy }، { $code })
alert_source_refused_advice = تحقق من بيانات الدخول ومن صلاحيات الاتصال: الأمر `bridgecore doctor` يسمي ما ينقص، وحالة النظام تعرض آخر خطأ.
alert_takeover = فشلت أفضل طريقة لرؤية تغييرات { $system }، وتولت الطريقة التالية عنها
alert_takeover_advice = لم يفقد شيء. حالة النظام تقول ما الذي يفشل؛ وعندما تعمل من جديد تستعيد نماذجها تلقائيا.
alert_wal_lost = تعذرت متابعة قراءة سجل قاعدة بيانات { $system }، وأعلن من جديد عن كل ما قد يكون تغير
alert_wal_lost_advice = لم يفقد شيء. إن تكرر ذلك فاسمح لقاعدة البيانات بالاحتفاظ بمزيد من سجلها (max_slot_wal_keep_size)، أو ابحث عمن يحذف الفتحة.
alert_wal_retained = تحتفظ قاعدة بيانات { $system } بكثير من سجلها من أجل BridgeCore
alert_wal_retained_advice = قد يمتلئ قرصها. تحقق من أن الخدمة تعمل وأن قاعدة بياناتها تواكب؛ والأمر `bridgecore wal uninstall` يحرر السجل.
alert_credential_ending = ينتهي مفتاح واجهة { $system } قريبا ولا يمكن تجديده
alert_credential_ending_advice = ضع مفتاحا جديدا في الاتصال، أو كلمة مرور يمكن بها إنشاء مفتاح. حالة النظام تعرض متى ينتهي.
alert_task_failed = تعذرت متابعة مهمة على { $system }
alert_task_failed_advice = يعرض GET /api/v1/tasks أي مهمة هي والسبب.
alert_job_failed = تعذر على الخدمة إنجاز عمل من أعمالها ({ $job })
alert_job_failed_advice = سجل الخدمة يقول السبب؛ وغالبا ما يكون قاعدة البيانات أو القرص.
alert_test = هذه تجربة للتنبيهات
alert_test_advice = كل شيء على ما يرام.
alert_over = انتهى الأمر: { $title }
alert_kind = النوع: { $kind }
alert_tenant = العميل: { $tenant }
alert_system = النظام: { $system }
alert_since = منذ: { $time }
alert_until = حتى: { $time }
alert_times = عدد المرات: { $times }

### الاتصالات
connection_unusable = لا يمكن استخدام الحقل { $field }: { $text }
password_or_key = يجب ألا يكون الحقل { $field } فارغًا؛ ويمكن أن يحل محله مفتاح API
url = يجب أن يكون الحقل { $field } عنوانًا مثل https://odoo.example.com
url_scheme = يجب أن يبدأ الحقل { $field } بـ http:// أو https://
url_host = يجب أن يذكر الحقل { $field } اسم مضيف
url_without_secret = يجب ألا يحتوي الحقل { $field } على اسم أو كلمة مرور؛ فلكل منهما حقله الخاص
url_base = يجب أن يكون الحقل { $field } عنوانًا أساسيًا بلا '?' و'#'
address_block_form = يجب أن يكون الحقل { $field } عنوانًا أو مجموعة عناوين مثل 203.0.113.7 أو 203.0.113.0/24 أو 2001:db8::/32
address_private = العنوان الذي يؤدي إليه الحقل { $field } خاص، ولا يتصل BridgeCore بالعناوين الخاصة إلا إذا سمحت إعداداته بذلك: outbound.allow_private = true أو ذكر العنوان في outbound.allowed_addresses
address_refused = العنوان الذي يؤدي إليه الحقل { $field } ليس عامًا ({ $kind })، ولا يتصل به BridgeCore إلا إذا سمحت إعداداته بذلك: ذكر العنوان في outbound.allowed_addresses

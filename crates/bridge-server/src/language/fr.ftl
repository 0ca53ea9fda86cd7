# Français. Chaque message tient sur une ligne ; les espaces devant « : ; ? ! » et dans les guillemets sont insécables.

### Le service
internal = Une erreur interne s’est produite
busy = Le service est à la limite de sa capacité ; réessayez dans un instant
database_away = La base de données est inaccessible ; réessayez dans un instant
value_not_storable = Une valeur a une forme ou une longueur qui ne peut pas être enregistrée
taken = La valeur de « { $what } » est déjà utilisée
service_stopping = Le service s’arrête

### Requêtes
no_such_path = Ce chemin n’existe pas
no_such_file = Cette page ne comporte pas ce fichier
page_not_shown = La page ne peut pas être affichée
no_such_method = Ce chemin n’accepte pas la méthode { $method }
body_not_json = Le corps de la requête n’est pas du JSON valide : ligne { $line }, colonne { $column }
body_not_object = Le corps de la requête doit être un objet JSON
body_not_sent_as_json = Le corps de la requête doit être envoyé en application/json
body_not_sent_as_form = Le corps de la requête doit être envoyé en multipart/form-data
form_unreadable = Le formulaire est illisible
body_too_large = { $bytes ->
    [one] Le corps de la requête dépasse { $bytes } octet
   *[other] Le corps de la requête dépasse { $bytes } octets
}
body_unread = Le corps de la requête n’a pas pu être lu
body_late = Le corps de la requête n’est pas arrivé à temps
body_form = Le corps de la requête n’a pas la forme attendue
query_form = Les paramètres de la requête n’ont pas la forme attendue
path_form = Le chemin n’a pas la forme attendue
message_form = Le message n’a pas la forme attendue
message_not_json = Le message n’est pas du JSON valide : ligne { $line }, colonne { $column }
request_too_slow = La requête a pris trop de temps ; réessayez dans un instant
too_many_requests = Trop de requêtes simultanées ; réessayez dans un instant
limit_reached = { $seconds ->
    [one] Trop de requêtes de ce type ; réessayez dans { $seconds } seconde
   *[other] Trop de requêtes de ce type ; réessayez dans { $seconds } secondes
}

### Connexion et jetons
access_token_needed = Un jeton d’accès est nécessaire : Authorization: Bearer …
refresh_token_needed = Un jeton de renouvellement est nécessaire : Authorization: Bearer …, ou refresh_token dans le corps
push_key_needed = Une clé d’envoi est nécessaire : Authorization: Bearer … ou X-API-Key: …
push_key_not_valid = Une clé d’envoi valide est nécessaire : X-API-Key: bcpk_…, ou comme bearer
push_key_not_from_there = Cette clé d’envoi ne peut pas être utilisée depuis l’adresse { $address } ; push_allowed_addresses de son système nomme celles d’où elle peut l’être
push_key_from_nowhere = Cette clé d’envoi ne peut être utilisée que depuis certaines adresses, et l’adresse d’où vient cette requête n’est pas connue
metrics_token_needed = Le jeton des métriques est nécessaire : Authorization: Bearer …
token_not_valid = Le jeton n’est pas valide
access_token_expected = Un jeton d’accès est attendu ici
refresh_token_expected = Un jeton de renouvellement est attendu ici
token_run_out = Le jeton a expiré
access_token_run_out = Le jeton d’accès a expiré
session_ended = La session est terminée ; reconnectez-vous
wrong_credentials = Le nom d’utilisateur ou le mot de passe est incorrect
too_many_log_ins = { $seconds ->
    [one] Trop de connexions ; réessayez dans { $seconds } seconde
   *[other] Trop de connexions ; réessayez dans { $seconds } secondes
}
too_many_logins = Trop de connexions en ce moment ; réessayez dans un instant
token_in_use = Ce jeton est en cours de renouvellement par d’autres requêtes ; réessayez
token_not_signed = Le jeton n’a pas pu être signé
password_not_checked = Le mot de passe n’a pas pu être vérifié
logged_out = Déconnexion effectuée

### Utilisateurs
admins_only = Seul un administrateur peut faire cela
others_for_admins_only = Seul un administrateur peut voir les autres utilisateurs
no_such_user = Cet utilisateur n’existe pas
last_admin_stays = Le dernier administrateur actif doit rester
not_oneself = Vous ne pouvez pas supprimer votre propre compte ; un autre administrateur le peut
not_ones_own_user_id = La valeur de « user_id » doit être celle de l’appelant

### Systèmes
no_such_system = Le système « { $system } » n’existe pas
system_stays_primary = « { $system } » est le système principal ; rendez d’abord un autre système principal (PUT /api/v1/systems/{ "{" }system_id{ "}" } avec "is_primary": true)
system_too_slow = { $seconds ->
    [one] Le système n’a pas répondu en { $seconds } seconde
   *[other] Le système n’a pas répondu en { $seconds } secondes
}
connection_not_decrypted = La connexion enregistrée du système ne peut pas être déchiffrée

### Ce que dit un ERP, ou la connexion avec lui
erp_said = { $text }
erp_unreachable = L’ERP est injoignable : { $text }
erp_too_slow = L’ERP n’a pas répondu à temps : { $text }
erp_refused_credential = L’ERP a refusé les identifiants : { $text }
erp_failed = L’ERP a signalé une erreur : { $text }
erp_record_without_id = L’ERP a fourni un enregistrement sans identifiant
erp_database = Base de données de l’ERP : { $text }

### Enregistrements
system_not_active = Le système « { $system } » est désactivé
operation_not_allowed = L’opération « { $operation } » sur « { $model } » n’est pas ouverte ; un administrateur peut l’ouvrir, ou liez vos propres identifiants
method_not_allowed = La méthode « { $method } » de « { $model } » n’est pas ouverte ; un administrateur peut l’ouvrir, ou liez vos propres identifiants
barcode_unknown = Aucun produit, conditionnement ou lot de ce système n’a ce code-barres
no_such_record = Cet enregistrement de « { $model } » n’existe pas, ou vous ne pouvez pas le voir
no_such_attachment = Ce fichier n’existe pas, ou vous ne pouvez pas le lire
file_too_large = Le fichier est plus grand que ce que ce service accepte
file_type_not_taken = Les fichiers du type { $kind } ne sont pas acceptés
range_beyond_file = Le fichier se termine avant cet intervalle
file_storage_away = Le stockage des fichiers est inaccessible ; réessayez dans un instant
no_such_model = Le système n’a pas de modèle « { $model } »
no_such_erp_method = « { $model } » n’a pas de méthode publique de ce nom
erp_address_private = L’adresse du système est privée, et BridgeCore ne se connecte aux adresses privées que si sa configuration le permet : outbound.allow_private = true, ou l’adresse dans outbound.allowed_addresses
erp_address_refused = L’adresse du système n’est pas publique ({ $kind }), et BridgeCore ne s’y connecte que si sa configuration le permet : l’adresse dans outbound.allowed_addresses
erp_saturated = Trop de requêtes visent ce système en ce moment ; réessayez sous peu
circuit_open = Le système n’a pas répondu plusieurs fois de suite et n’est plus sollicité pour un moment ; réessayez plus tard
outcome_unknown = La réponse de l’ERP s’est perdue et nul ne sait si cela a été fait ; vérifiez avant de répéter
key_in_use = Une requête avec cette Idempotency-Key est en cours ; réessayez sous peu
key_reused = Cette Idempotency-Key a servi à une autre requête
no_such_link = Cet utilisateur n’a pas d’identifiants propres dans ce système
erp_denied = L’ERP ne le permet pas : { $text }
erp_link_refused = L’ERP refuse les identifiants propres de l’utilisateur, qui doivent être liés à nouveau : { $text }
records_deleted = { $count ->
    [one] Enregistrement supprimé
   *[other] { $count } enregistrements supprimés
}
operation_after_failed = Non exécutée : l’opération { $operation } a échoué, et le lot s’arrête à la première erreur
operation_needs_other = Non exécutée : l’opération { $operation }, à laquelle elle renvoie, n’a pas été exécutée
operation_out_of_time = Non exécutée : le temps accordé à cette requête est écoulé ; renvoyez-la avec les autres qui n’ont pas été exécutées
operation_beyond_answer = Non exécutée : la réponse a atteint sa taille maximale ; renvoyez-la avec les autres qui n’ont pas été exécutées
too_many_tasks = { $most ->
    [one] Un locataire peut avoir { $most } tâche inachevée ; attendez qu’elle se termine
   *[other] Un locataire peut avoir { $most } tâches inachevées ; attendez que l’une d’elles se termine
}
no_such_task = Cette tâche n’existe pas
task_ended = Non exécutée : la tâche s’est terminée avant
task_unreadable = Ce qui est conservé de cette tâche est illisible
task_user_not_active = L’utilisateur à qui appartient la tâche ne peut plus se connecter

### Le journal de la base de données de l’ERP
wal_of_standby = L’adresse est celle d’un serveur de secours : le journal se lit sur le serveur principal
wal_level_too_low = Le wal_level de la base de données est { $level } : réglez-le sur logical et redémarrez le serveur
wal_publication_missing = Il n’y a pas de publication { $name } : `bridgecore wal install` la crée
wal_publication_unusable = La publication { $name } est inutilisable : { $reason }
wal_publication_gone = La publication { $name } n’existe plus

### Migration de version
migration_field_missing = Odoo { $version } n’a pas de champ { $field } sur { $model } : ses valeurs sont perdues
migration_value_not_kept = Le champ { $field } de { $model } a une autre forme dans Odoo { $version }, d’où sa valeur ne peut pas toujours être retrouvée
migration_computed = Odoo { $version } calcule lui-même { $field } de { $model } : ses valeurs ne sont pas reprises
migration_not_stored = Le champ { $field } de { $model } est calculé à la lecture à partir d’Odoo { $version } : ce qui y est écrit peut être ignoré
migration_required = Un enregistrement de { $model } doit avoir { $field } dans Odoo { $version }, et rien ne le remplit
migration_relation_changed = Le champ { $field } de { $model } renvoie à un autre modèle dans Odoo { $version }, dont les enregistrements ont d’autres identifiants
migration_conflict = Le nouveau nom de { $field } de { $model } dans Odoo { $version } était déjà pris : la valeur reste sous son ancien nom
migration_manual = Le champ { $field } de { $model } demande un contrôle manuel dans Odoo { $version }
migration_manual_model = Le modèle { $model } demande un contrôle manuel dans Odoo { $version }
migration_model_renamed = Le modèle { $model } porte un autre nom dans Odoo { $version }
migration_model_missing = Odoo { $version } n’a pas de modèle { $model }
migration_no_rules = Il n’y a pas de règle pour { $model } sur le chemin vers Odoo { $version } : ses enregistrements passent tels quels
record_not_there = L’enregistrement { $record } n’existe pas
no_such_entity = L’entité { $entity } n’existe pas

### Synchronisation
other_requests_of_device = D’autres requêtes de cet appareil sont intervenues entre-temps ; réessayez
not_synced_yet = Cet appareil n’a encore jamais été synchronisé
no_sync_state = Aucun état de synchronisation pour l’utilisateur { $user }, appareil { $device }
sync_token_form = Un jeton de synchronisation doit être un nombre entier à partir de 0, en chiffres
never_handed_out = Ce jeton n’a jamais été remis pour cet appareil, ce type d’application, ce système et ce filtre de modèles
position_not_in_log = Le journal n’atteint pas cette position
state_reset = État de synchronisation réinitialisé : lisez les enregistrements actuels, puis reprenez à partir de snapshot_position
answer_not_written = La réponse n’a pas pu être écrite
page_token_not_signed = Le jeton de page n’a pas pu être signé
page_token_too_long = Ce jeton de page est trop long pour venir de ce service
page_token_not_ours = Ce jeton de page ne vient pas de ce service
page_token_of_another = Ce jeton de page appartient à un autre utilisateur, appareil, type d’application, système ou filtre de modèles
page_token_run_out = Ce jeton de page a expiré : recommencez l’instantané
rights_unknown = Impossible de demander à l’ERP ce que cet utilisateur peut lire
rights_late = L’ERP n’a pas indiqué à temps ce que cet utilisateur peut lire
no_erp_user = Cet utilisateur n’est lié à aucun utilisateur de l’ERP
no_erp_user_to_read_as = Cet utilisateur n’est lié à aucun utilisateur de l’ERP, si bien que nul ne sait ce qu’il peut lire ; un administrateur doit définir odoo_user_id
no_erp_user_in_system = Cet utilisateur n’est lié à aucun utilisateur de ce système
linked_system_gone = Le système auquel cet utilisateur est lié n’existe plus ; un administrateur doit redéfinir odoo_user_id
linked_user_gone = L’utilisateur lié de l’ERP n’existe pas ou n’est pas actif ; un administrateur doit redéfinir odoo_user_id
no_system_to_read = Il n’y a aucun système à lire
primary_system_only = Seuls les enregistrements du système principal sont lus, sauf si la requête désigne un système
records_late = L’ERP n’a pas fourni les enregistrements à temps

### Webhooks
too_many_events = { $most ->
    [one] Au plus { $most } événement par requête
   *[other] Au plus { $most } événements par requête
}
no_event_understood = Aucun événement de cette requête n’a pu être compris : { $reason }
no_such_dead_letter = Cet événement rejeté n’existe pas
retry_under_way = Une autre requête relance déjà les événements rejetés de cette organisation ; réessayez dans un instant
metrics_not_written = Les métriques ne peuvent pas être écrites

### Changements en direct
too_many_connections = Trop de connexions ouvertes ; réessayez dans un instant
websocket_expected = Ce chemin n’accepte que les connexions WebSocket
token_of_another_user = Le jeton appartient à un autre utilisateur
service_stops = le service s’arrête ; reprenez à la dernière position
first_message_must_be_auth = le premier message doit être auth
no_token_in_time = aucun jeton n’est arrivé à temps
token_expired = le jeton a expiré
user_was_changed = l’utilisateur a été modifié ; reconnectez-vous
no_answer_to_heartbeats = deux signaux de présence sans réponse
client_does_not_read = le client ne lit pas ; reprenez à la dernière position
connection_gone = la connexion est perdue
closed_by_client = fermée par le client
only_text = seul le texte est compris
message_unreadable = le message n’a pas pu être lu

### Ce qui ne va pas avec un champ : sa forme
is_missing = Le champ « { $field } » est absent
given_twice = Le champ « { $field } » est indiqué deux fois
unexpected_form = Le champ « { $field } » n’a pas la forme attendue
documented_form = Le champ « { $field } » doit avoir la forme documentée
no_documented_form = Le champ « { $field } » n’a aucune des formes documentées
text = Le champ « { $field } » doit être un texte
number = Le champ « { $field } » doit être un nombre
number_or_text = Le champ « { $field } » doit être un nombre ou un texte
whole_number = Le champ « { $field } » doit être un nombre entier
whole_number_from_0 = Le champ « { $field } » doit être un nombre entier supérieur ou égal à 0
whole_number_to = Le champ « { $field } » doit être un nombre entier compris entre 0 et { $most }
whole_number_in_range = Le champ « { $field } » doit être un nombre entier dans les limites permises
true_or_false = Le champ « { $field } » doit être true ou false
list = Le champ « { $field } » doit être une liste
list_of_documented_length = Le champ « { $field } » doit être une liste de la longueur documentée
object = Le champ « { $field } » doit être un objet
null = Le champ « { $field } » doit être null
utf8 = Le champ « { $field } » doit être en UTF-8
one_of = Le champ « { $field } » doit être l’une de ces valeurs : { $choices }
one_of_two = Le champ « { $field } » doit être « { $one } » ou « { $other } »

### Valeurs
between = Le champ « { $field } » doit être compris entre { $least } et { $most }
greater_than_0 = Le champ « { $field } » doit être supérieur à 0
not_empty = Le champ « { $field } » ne doit pas être vide
chars = Le champ « { $field } » doit compter de { $least } à { $most } caractères
one_line = Le champ « { $field } » doit compter de 1 à { $most } caractères sur une seule ligne, sans espaces au début ni à la fin
description = Le champ « { $field } » doit compter au plus { $most } caractères, sans caractères de contrôle
printable = Le champ « { $field } » doit compter de 1 à { $most } caractères imprimables
no_zero_byte = Le champ « { $field } » doit compter de 1 à { $most } octets, aucun n’étant nul
language = Le champ « { $field } » doit être en, ar ou fr, éventuellement avec une région comme ar_SA
system_id_form = Le champ « { $field } » doit compter de 1 à 64 caractères parmi a-z, A-Z, 0-9, « _ », « - » et « . », et commencer par une lettre ou un chiffre
device_id_form = Le champ « { $field } » doit compter de 3 à 128 caractères parmi a-z, A-Z, 0-9 et « _-.:@ »
app_type_form = Le champ « { $field } » doit compter de 1 à 64 caractères parmi a-z, 0-9 et « _ »
model_form = Le champ « { $field } » doit compter de 1 à 128 caractères parmi a-z, A-Z, 0-9, « _ », « - » et « . »
token_form = Le champ « { $field } » doit être un jeton : des chiffres, sous forme de texte ou de nombre
position_or_time = Le champ « { $field } » doit être une position en chiffres ou une date et heure au format RFC 3339

### Ce qui va ensemble
model_not_found_yet = Le champ « { $field } » ne désigne pas un modèle de ce système, ou celui-ci n’a pas encore été recherché
model_gone = Le champ « { $field } » désigne un modèle qui n’existe plus
model_never_tracked = Le champ « { $field } » ne peut pas être { $strategy } : ce modèle n’est jamais suivi
strategy_not_available = Le champ « { $field } » ne peut pas être { $strategy }, qui ne voit pas ce modèle actuellement ; le voient : { $choices }
cursor_of_another_page = Le champ « { $field } » doit être le next_cursor d’une autre page
not_with_cursor = Le champ « { $field } » ne doit pas être indiqué avec cursor
offset_at_most = Le champ « { $field } » ne doit pas dépasser { $most } ; continuez avec cursor
or_device_id = Le champ « { $field } » ou device_id doit être indiqué
not_with_another_choice = Le champ « { $field } » ne doit pas être indiqué avec un autre choix
not_with = Le champ « { $field } » ne doit pas être indiqué avec { $other }
only_with = Le champ « { $field } » ne va qu’avec { $other }
not_in_target = Le champ « { $field } » mène à { $unknown }, que { $model } n’a pas dans la cible (Odoo { $version }, règles { $pack })
unknown_entity_field = Le champ « { $field } » nomme { $name }, qui n’existe pas dans { $entity }
unknown_entity_field_near = Le champ « { $field } » nomme { $name }, qui n’existe pas dans { $entity } ; s’en approchent : { $nearest }
entity_field_values = Le champ « { $field } » donne à { $name } une valeur impossible ; valeurs possibles : { $values }
entity_field_not_searched = Le champ « { $field } » nomme { $name }, qui est calculé : il est en lecture seule
only_read = Le champ « { $field } » est en lecture seule
mapping_form = Le champ « { $field } » doit être le nom d’un champ du système, un objet qui en associe un, une liste de tels objets, ou null
mapping_unusable = Le champ « { $field } » ne peut pas être associé de cette façon
or_record_ids = Le champ « { $field } » ou record_ids doit être indiqué
items_between = Le nombre d’éléments du champ « { $field } » doit être compris entre { $least } et { $most }
model_missing_in = Le champ « { $field } » doit nommer un modèle qu’a Odoo { $version }
or_another_choice = Le champ « { $field } », ou bien system_id ou reason_contains, doit être indiqué
dead_letters_at_most = { $most ->
    [one] Le champ « { $field } » doit désigner { $most } événement rejeté
   *[other] Le champ « { $field } » doit désigner de 1 à { $most } événements rejetés
}
models_at_most = { $most ->
    [one] Le champ « { $field } » doit désigner au plus { $most } modèle
   *[other] Le champ « { $field } » doit désigner au plus { $most } modèles
}
unknown_app_type = Le champ « { $field } » n’est pas l’un des types d’application configurés
unknown_model_field = Le champ « { $field } » désigne un champ que le modèle n’a pas
barcode_check_digit = Le champ « { $field } » a une clé de contrôle fausse : { $digits } devrait se terminer par { $expected }
barcode_identifier = Le champ « { $field } » contient « { $text } », qui ne commence par aucun identifiant de données connu
barcode_value = Le champ « { $field } » contient après ({ $identifier }) une valeur qui n’a pas la forme { $form }
barcode_day = Le champ « { $field } » ne contient pas de jour de la forme AAMMJJ après ({ $identifier })
barcode_repeated = Le champ « { $field } » contient deux fois ({ $identifier }), avec des valeurs différentes
device_named_before = Le champ « { $field } » doit être indiqué lors de l’abonnement, pour que ack dispose d’un curseur
not_in_address = Le champ « { $field } » n’est pas accepté dans l’adresse, où des serveurs mandataires le consigneraient

### Ce qui ne va pas avec un champ : enregistrements
not_for_action = Le champ « { $field } » n’a pas de sens pour l’action « { $action } »
not_with_records = Le champ « { $field } » ne va pas avec des enregistrements nommés
not_with_record_id = Le champ « { $field } » ne va pas avec « record_id »
items = Le champ « { $field } » doit avoir de { $least } à { $most } éléments
rows_with_files = Le champ « { $field } » doit être au plus { $most } quand des fichiers sont lus
file_name = Le champ « { $field } » doit porter un nom de 1 à { $most } octets sur une seule ligne
kept_by_system = Le champ « { $field } » est tenu par le système lui-même
date_form = Le champ « { $field } » doit être une date comme 2025-11-16, ou null
time_form = Le champ « { $field } » doit être une heure RFC 3339 comme 2025-11-16T10:30:00Z, ou null
record_reference = Le champ « { $field } » doit être l’identifiant d’un enregistrement, une paire identifiant et nom, ou null
lines_form = Le champ « { $field } » doit être une liste d’identifiants ou de commandes
line_form = Le champ « { $field } » doit être une commande : create, update, delete, link, unlink, clear ou set
no_lines = Le champ « { $field } » ne doit pas être une liste vide : la commande clear retire tout, et ce qui n’est pas donné reste
lines_too_deep = Le champ « { $field } » imbrique trop de lignes
domain_form = Le champ « { $field } » doit être une liste de conditions et de liens (et, ou, non)
domain_connective = Le champ « { $field } » vaut « { $text } », qui n’est pas un lien
domain_condition = Le champ « { $field } » doit être une condition : une liste de champ, opérateur et valeur
domain_operand = Le champ « { $field } » a « { $connective } » devant trop peu de conditions
domain_path = Le champ « { $field } » vaut « { $path } », qui n’est pas un chemin de champ
domain_operator = Le champ « { $field } » vaut « { $text } », qui n’est pas un opérateur
domain_value = Le champ « { $field } » est une valeur que « { $operator } » ne prend pas
domain_too_large = Le champ « { $field } » est trop grand ou trop profond
date_part = Le champ « { $field } » demande une partie de date qui n’existe pas, au contraire de month_number ou day_of_week
not_a_relation = Le champ « { $field } » passe par « { $name } », qui ne mène à aucun autre enregistrement
since_version = Le champ « { $field } » utilise « { $what } », que le système connaît à partir de la version { $version }
order_form = Le champ « { $field } » doit être des champs séparés par des virgules, chacun avec asc ou desc
context_key = Le champ « { $field } » n’est pas une des options permises : { $choices }
erp_language = Le champ « { $field } » doit être une langue comme ar_001
time_zone = Le champ « { $field } » doit être un fuseau horaire comme Africa/Casablanca
list_of_ids = Le champ « { $field } » doit être une liste d’identifiants
plain_value = Le champ « { $field } » doit être une valeur simple et courte, ou une liste de telles valeurs
method_form = Le champ « { $field } » doit être le nom d’une méthode publique
method_has_action = Le champ « { $field } » est ce que fait l’action « { $action } »
context_beside = Le champ « { $field } » doit être donné comme « context » de la requête
reference_later = { $field } renvoie à l’opération { $operation }, qui ne vient pas avant lui
reference_missing = { $field } renvoie à { $text }, que cette opération n’a pas donné en réponse

### Alertes
alert_circuit_open = { $system } ne répond pas et est laissé au repos pour un moment
alert_circuit_open_advice = Vérifiez qu’il est en marche et joignable depuis le service. Il est réessayé automatiquement ; s’il est en marche, `bridgecore doctor` en dit plus.
alert_dead_letters = Des événements de { $system } n’ont pas pu être compris et ont été mis de côté
alert_dead_letters_advice = Consultez GET /api/v1/webhooks/dead-letters, corrigez ce qui y est nommé, puis réessayez avec POST /api/v1/webhooks/retry/bulk
alert_source_refused = Les changements de { $system } ne peuvent pas être lus ({ $strategy }, { $code })
alert_source_refused_advice = Vérifiez les identifiants et les droits de la connexion : `bridgecore doctor` nomme ce qui manque, et le statut du système montre la dernière erreur.
alert_takeover = La meilleure façon de voir les changements de { $system } a échoué, et la suivante a pris le relais
alert_takeover_advice = Rien n’est perdu. Le statut du système dit ce qui échoue ; dès qu’elle fonctionne à nouveau, elle reprend ses modèles d’elle-même.
alert_wal_lost = La lecture du journal de la base de { $system } n’a pas pu continuer, et tout ce qui a pu changer a été annoncé à nouveau
alert_wal_lost_advice = Rien n’est perdu. Si cela se répète, laissez la base garder davantage de son journal (max_slot_wal_keep_size), ou cherchez qui supprime le slot.
alert_wal_retained = La base de { $system } garde beaucoup de son journal pour BridgeCore
alert_wal_retained_advice = Son disque peut se remplir. Vérifiez que le service fonctionne et que sa propre base suit ; `bridgecore wal uninstall` libère le journal.
alert_credential_ending = La clé d’API de { $system } expire bientôt et ne peut pas être renouvelée
alert_credential_ending_advice = Mettez une nouvelle clé dans la connexion, ou un mot de passe qui permet d’en créer une. Le statut du système montre quand elle expire.
alert_task_failed = Une tâche pour { $system } n’a pas pu continuer
alert_task_failed_advice = GET /api/v1/tasks montre laquelle et pourquoi.
alert_job_failed = Le service n’a pas pu accomplir un de ses propres travaux ({ $job })
alert_job_failed_advice = Le journal du service dit pourquoi ; le plus souvent, c’est la base de données ou le disque.
alert_test = Ceci est un essai des alertes
alert_test_advice = Tout va bien.
alert_over = C’est terminé : { $title }
alert_kind = Type : { $kind }
alert_tenant = Client : { $tenant }
alert_system = Système : { $system }
alert_since = Depuis : { $time }
alert_until = Jusqu’à : { $time }
alert_times = Combien de fois : { $times }

### Connexions
connection_unusable = Le champ « { $field } » est inutilisable : { $text }
password_or_key = Le champ « { $field } » ne doit pas être vide ; une clé d’API peut le remplacer
url = Le champ « { $field } » doit être une adresse telle que https://odoo.example.com
url_scheme = Le champ « { $field } » doit commencer par http:// ou https://
url_host = Le champ « { $field } » doit nommer un hôte
url_without_secret = Le champ « { $field } » ne doit contenir ni nom ni mot de passe ; ils ont leurs propres champs
url_base = Le champ « { $field } » doit être une adresse de base sans « ? » ni « # »
address_block_form = Le champ « { $field } » doit être une adresse ou un bloc d’adresses, comme 203.0.113.7, 203.0.113.0/24 ou 2001:db8::/32
address_private = L’adresse à laquelle mène le champ « { $field } » est privée, et BridgeCore ne se connecte aux adresses privées que si sa configuration le permet : outbound.allow_private = true, ou l’adresse dans outbound.allowed_addresses
address_refused = L’adresse à laquelle mène le champ « { $field } » n’est pas publique ({ $kind }), et BridgeCore ne s’y connecte que si sa configuration le permet : l’adresse dans outbound.allowed_addresses
